"""Problem documents."""

import json

import pytest

from apps.serve.problems import Kind, Problem


def test_a_problem_is_a_document_of_rfc_9457() -> None:
    response = Problem(Kind.UNKNOWN_MARKET, "There is no market 'xx'.", {"X-Extra": "1"}).response("r-1")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-extra"] == "1"
    assert json.loads(bytes(response.body)) == {
        "type": "/problems/unknown-market",
        "title": "There is no such market",
        "status": 404,
        "detail": "There is no market 'xx'.",
        "request_id": "r-1",
    }


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_a_failure_with_a_title_of_its_own(kind: Kind) -> None:
    assert 400 <= kind.status <= 504
    assert [other for other in Kind if other.title == kind.title] == [kind]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.status == 503])
def test_what_may_pass_says_when_to_try_again(kind: Kind) -> None:
    assert Problem(kind, "away").response("r").headers["retry-after"] == "1"
    assert Problem(kind, "away", {"Retry-After": "60"}).response("r").headers["retry-after"] == "60"
