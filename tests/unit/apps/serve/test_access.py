"""Who is let in."""

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from apps.serve.access import Access, presented, rate_headers
from apps.serve.problems import Kind, Problem
from apps.serve.rate_limit import RateLimit
from libs.base.api_keys import SCOPES, KeyRing, mint

pytestmark = pytest.mark.anyio

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


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def access(per_minute: int = 10) -> Access:
    """With counts that are this process's."""
    totals: dict[tuple[str, int], int] = {}

    async def add(key_id: str, window: int, requests: int) -> int:
        totals[key_id, window] = totals.get((key_id, window), 0) + requests
        return totals[key_id, window]

    return Access(RateLimit(add, per_minute))


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {TEXT}"}, {"X_API_Key": TEXT}])
async def test_admits_a_valid_key_in_either_header(headers: dict[str, str]) -> None:
    assert await access().admit(RING, request(**headers), "recommend") == KEY


async def test_says_that_a_key_is_missing_or_invalid() -> None:
    unnamed, unknown = request(), request(X_API_Key="k")
    with pytest.raises(Problem) as missing:
        await access().admit(RING, unnamed, "recommend")
    with pytest.raises(Problem) as invalid:
        await access().admit(RING, unknown, "recommend")
    assert missing.value.kind == invalid.value.kind == Kind.UNAUTHENTICATED
    assert missing.value.headers["WWW-Authenticate"] == 'Bearer realm="fitwave"'
    assert invalid.value.headers["WWW-Authenticate"] == 'Bearer realm="fitwave", error="invalid_token"'
    assert rate_headers(unnamed) == rate_headers(unknown) == {}


async def test_judges_nobody_before_the_keys_are_known() -> None:
    with pytest.raises(Problem) as found:
        await access().admit(None, request(X_API_Key=TEXT), "recommend")
    assert found.value.kind == Kind.NOT_READY


@pytest.mark.usefixtures("stopped_clock")
async def test_names_the_scopes_that_a_key_has_and_counts_the_request() -> None:
    key, text = mint("watcher", None, frozenset({"markets"}))
    asked = request(X_API_Key=text)
    with pytest.raises(Problem, match="has no scope 'recommend': it has markets") as found:
        await access().admit(KeyRing([key]), asked, "recommend")
    assert found.value.kind == Kind.SCOPE_FORBIDDEN
    assert rate_headers(asked)["RateLimit"] == '"key";r=9;t=40'


@pytest.mark.usefixtures("stopped_clock")
async def test_refuses_what_is_beyond_the_limit_and_says_when_to_come_again() -> None:
    admits = access(per_minute=2)
    told = []
    for _ in range(2):
        asked = request(X_API_Key=TEXT)
        await admits.admit(RING, asked, "recommend")
        told.append(rate_headers(asked))
    beyond = request(X_API_Key=TEXT)
    with pytest.raises(Problem, match=r"2 times a minute\. Try again in 40 s") as found:
        await admits.admit(RING, beyond, "recommend")
    assert (found.value.kind, found.value.headers) == (Kind.TOO_MANY_REQUESTS, {"Retry-After": "40"})
    assert [one["RateLimit"] for one in (*told, rate_headers(beyond))] == [
        '"key";r=1;t=40',
        '"key";r=0;t=40',
        '"key";r=0;t=40',
    ]
    assert {one["RateLimit-Policy"] for one in told} == {'"key";q=2;w=60'}
