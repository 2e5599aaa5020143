"""From the router's answer to the response."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from apps.serve.answers import Recommendations, degraded, recommendations_response
from apps.serve.problems import Kind, Problem
from libs.base.errors import InvariantError
from libs.models.contract import SizeAnswer, SizeQuery
from tests.unit.apps.serve.router import answer, recommendation

QUERY = SizeQuery("de", "c-1", ["a", "b"], "r-1")


AS_OF = datetime(2026, 7, 6, tzinfo=UTC)


def test_an_answer_names_the_request_the_customer_the_model_and_how_fresh_its_features_are() -> None:
    response = recommendations_response(QUERY, SizeAnswer("r-1", "3", [answer("a"), answer("b")], AS_OF), None)
    body = json.loads(bytes(response.body))
    assert response.status_code == 200
    assert response.headers["x-model-version"] == "3"
    assert list(body) == [
        "request_id",
        "market",
        "customer_id",
        "model_version",
        "features_as_of",
        "degraded",
        "recommendations",
    ]
    assert body["features_as_of"] == "2026-07-06T00:00:00Z"
    assert body["recommendations"][0]["size"] == "38"


def test_the_body_is_what_the_document_says() -> None:
    found = SizeAnswer("r-1", "3", [answer("a"), answer("b", "low_confidence")])
    response = recommendations_response(QUERY, found, "features_stale")
    assert msgspec.json.decode(response.body, type=Recommendations) == Recommendations(
        "r-1", "de", "c-1", "3", None, "features_stale", [recommendation("a"), recommendation("b", "low_confidence")]
    )


def test_abstaining_is_an_answer() -> None:
    found = [answer("a", "low_confidence"), answer("b", "features_unavailable")]
    assert recommendations_response(QUERY, SizeAnswer("r-1", "3", found), "features_unavailable").status_code == 200


def test_only_unknown_articles_are_a_problem_of_the_version_that_was_asked() -> None:
    found = [answer("a", "unknown_article"), answer("b", "unknown_article")]
    with pytest.raises(Problem, match="does not know 'a', 'b'\\.") as problem:
        recommendations_response(QUERY, SizeAnswer("r-1", "3", found), None)
    assert problem.value.kind == Kind.UNKNOWN_ARTICLES
    assert problem.value.headers == {"X-Model-Version": "3"}


def test_an_article_without_answer_is_a_bug() -> None:
    with pytest.raises(InvariantError):
        recommendations_response(QUERY, SizeAnswer("r-1", "3", [answer("a")]), None)


@pytest.mark.row("16", "features past their age limit", "0 of them served as fresh")
def test_features_past_their_age_limit_are_never_served_as_fresh(figure: Callable[[str], None]) -> None:
    ages_s = [limit_s * share for limit_s in (86_400.0, 15 * 86_400.0) for share in (0.0, 0.5, 0.999, 1.001, 2, 40)]
    limits = [1.0] * 6 + [15.0] * 6
    found = []
    for age_s, limit in zip(ages_s, limits, strict=True):
        answered = SizeAnswer("r-1", "3", [answer("a"), answer("b")], datetime.now(UTC) - timedelta(seconds=age_s))
        body = recommendations_response(QUERY, answered, degraded(answered, limit)).body
        found.append((age_s > limit * 86_400, json.loads(bytes(body))["degraded"]))
    past = [said for is_past, said in found if is_past]
    figure(f"{past.count(None)} of {len(past)} served as fresh")
    assert found == [(is_past, "features_stale" if is_past else None) for is_past, _ in found]


def test_a_store_that_is_away_is_said_before_the_age_of_what_was_kept_of_it() -> None:
    assert degraded(SizeAnswer("r-1", "3", [], AS_OF, store_away=True), 15.0) == "features_unavailable"


def test_without_a_limit_no_features_are_too_old() -> None:
    assert degraded(SizeAnswer("r-1", "3", [], AS_OF), None) is None
