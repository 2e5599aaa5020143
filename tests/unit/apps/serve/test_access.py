"""Who is let in."""

import pytest
from starlette.datastructures import Headers

from apps.serve.access import Access, presented
from apps.serve.problems import Kind, Problem
from libs.base.api_keys import SCOPES, KeyRing, mint

KEY, TEXT = mint("shop", None, frozenset(SCOPES))
RING = KeyRing([KEY])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer k"}, "k"),
        ({"X-API-Key": "k"}, "k"),
        ({"Authorization": "Bearer k", "X-API-Key": "other"}, "k"),
        ({"Authorization": "Basic dTpw", "X-API-Key": "k"}, "k"),
        ({"Authorization": "Basic dTpw"}, None),
        ({"Authorization": "Bearer "}, None),
        ({}, None),
    ],
)
def test_finds_the_presented_key(headers: dict[str, str], expected: str | None) -> None:
    assert presented(Headers(headers)) == expected


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {TEXT}"}, {"X-API-Key": TEXT}])
def test_admits_a_valid_key_in_either_header(headers: dict[str, str]) -> None:
    assert Access(10).admit(RING, Headers(headers), "recommend") == KEY


def test_says_that_a_key_is_missing_or_invalid() -> None:
    with pytest.raises(Problem) as missing:
        Access(10).admit(RING, Headers({}), "recommend")
    with pytest.raises(Problem) as invalid:
        Access(10).admit(RING, Headers({"X-API-Key": "k"}), "recommend")
    assert missing.value.kind == invalid.value.kind == Kind.UNAUTHENTICATED
    assert missing.value.headers["WWW-Authenticate"] == 'Bearer realm="fitwave"'
    assert invalid.value.headers["WWW-Authenticate"] == 'Bearer realm="fitwave", error="invalid_token"'


def test_judges_nobody_before_the_keys_are_known() -> None:
    with pytest.raises(Problem) as found:
        Access(10).admit(None, Headers({"X-API-Key": TEXT}), "recommend")
    assert found.value.kind == Kind.NOT_READY


def test_names_the_scopes_that_a_key_has() -> None:
    key, text = mint("watcher", None, frozenset({"markets"}))
    with pytest.raises(Problem, match="has no scope 'recommend': it has markets") as found:
        Access(10).admit(KeyRing([key]), Headers({"X-API-Key": text}), "recommend")
    assert found.value.kind == Kind.SCOPE_FORBIDDEN


@pytest.mark.usefixtures("stopped_clock")
def test_admits_exactly_the_limit_of_a_burst() -> None:
    access, headers, refused = Access(100), Headers({"X-API-Key": TEXT}), []
    for _ in range(300):
        try:
            access.admit(RING, headers, "recommend")
        except Problem as problem:
            refused.append(problem)
    assert len(refused) == 200
    assert {problem.kind for problem in refused} == {Kind.TOO_MANY_REQUESTS}
    assert all(1 <= int(problem.headers["Retry-After"]) <= 120 for problem in refused)
