"""From the router's answer to the response."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from apps.serve.answers import Recommendations, recommendations_response
from apps.serve.problems import Kind, Problem
from libs.base.errors import InvariantError
from libs.models.contract import SizeAnswer, SizeQuery
from tests.unit.apps.serve.router import answer, recommendation

QUERY = SizeQuery("de", "c-1", ["a", "b"], "r-1")


AS_OF = datetime(2026, 7, 6, tzinfo=UTC)


def test_an_answer_names_the_request_the_customer_the_model_and_how_fresh_its_features_are() -> None:
    response = recommendations_response(QUERY, SizeAnswer("r-1", "3", [answer("a"), answer("b")], AS_OF))
    body = json.loads(bytes(response.body))
    assert response.status_code == 200
    assert response.headers["x-model-version"] == "3"
    assert list(body) == ["request_id", "market", "customer_id", "model_version", "features_as_of", "recommendations"]
    assert body["features_as_of"] == "2026-07-06T00:00:00Z"
    assert body["recommendations"][0]["size"] == "38"


def test_the_body_is_what_the_document_says() -> None:
    response = recommendations_response(QUERY, SizeAnswer("r-1", "3", [answer("a"), answer("b", "low_confidence")]))
    assert msgspec.json.decode(response.body, type=Recommendations) == Recommendations(
        "r-1", "de", "c-1", "3", None, [recommendation("a"), recommendation("b", "low_confidence")]
    )


def test_abstaining_is_an_answer() -> None:
    found = [answer("a", "low_confidence"), answer("b", "features_unavailable")]
    assert recommendations_response(QUERY, SizeAnswer("r-1", "3", found)).status_code == 200


def test_only_unknown_articles_are_a_problem_of_the_version_that_was_asked() -> None:
    found = [answer("a", "unknown_article"), answer("b", "unknown_article")]
    with pytest.raises(Problem, match="does not know 'a', 'b'\\.") as problem:
        recommendations_response(QUERY, SizeAnswer("r-1", "3", found))
    assert problem.value.kind == Kind.UNKNOWN_ARTICLES
    assert problem.value.headers == {"X-Model-Version": "3"}


def test_an_article_without_answer_is_a_bug() -> None:
    with pytest.raises(InvariantError):
        recommendations_response(QUERY, SizeAnswer("r-1", "3", [answer("a")]))
