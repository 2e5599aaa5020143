"""A caller's view: typed answers, a reason where there is none, and never longer than the deadline."""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.client.client import AsyncClient, Client
from libs.client.errors import (
    AccessDenied,
    NoAnswer,
    NoModel,
    NotUnderstood,
    Problem,
    RateLimited,
    Refused,
    Unavailable,
    UnknownArticles,
)
from libs.client.retries import NEVER, Retries
from tests.unit.libs.client.gateway import ANSWER, Reply, gateway, problem

Ask = Callable[..., Any]
SOON = Retries(first_wait_s=0.001)


def in_a_thread(url: str, retries: Retries = SOON, deadline_s: float = 5.0, times: int = 1, **more: Any) -> Any:
    with Client(url, "key", retries=retries, deadline_s=deadline_s) as client:
        return [client.recommend("de", "c-1", ["a-1"], **more) for _ in range(times)][-1]


def in_a_task(url: str, retries: Retries = SOON, deadline_s: float = 5.0, times: int = 1, **more: Any) -> Any:
    async def ask() -> Any:
        async with AsyncClient(url, "key", retries=retries, deadline_s=deadline_s) as client:
            return [await client.recommend("de", "c-1", ["a-1"], **more) for _ in range(times)][-1]

    return asyncio.run(ask())


@pytest.fixture(params=[in_a_thread, in_a_task])
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


def test_an_answer_is_typed_and_what_a_later_version_adds_is_passed_over(ask: Ask) -> None:
    with gateway(Reply(document=ANSWER | {"new_key": 1})) as server:
        answer = ask(server.url)
    assert answer.features_as_of == datetime(2026, 7, 6, tzinfo=UTC)
    [found] = answer.recommendations
    assert (found.size, found.second_best.size, found.basis.article) == ("40", "41", "brand")
    assert [size.fit for size in found.sizes] == [0.6]


def test_the_question_is_sent_as_documented_with_key_and_request_id(ask: Ask) -> None:
    with gateway(Reply()) as server:
        ask(server.url, selected_sizes={"a-1": "39"})
    [(line, headers, body)] = server.asked
    assert line == "POST /v1/markets/de/size-recommendations"
    assert headers["Authorization"] == "Bearer key"
    assert len(headers["X-Request-Id"]) == 32
    assert body == {"customer_id": "c-1", "article_ids": ["a-1"], "selected_sizes": {"a-1": "39"}}


def test_a_market_cannot_climb_out_of_its_path() -> None:
    with gateway(Reply()) as server, Client(server.url, "key") as client:
        client.recommend("../x", "c-1", ["a-1"])
    assert server.asked[0][0] == "POST /v1/markets/..%2Fx/size-recommendations"


def test_calls_share_a_connection(ask: Ask) -> None:
    with gateway(Reply()) as server:
        ask(server.url, times=3)
    assert len(server.asked) == 3
    assert len(server.connections) == 1


BAD_GATEWAY = Reply(502, "<h1>Bad gateway</h1>")


@pytest.mark.parametrize(
    "first", [problem("overloaded", 503), problem("too-many-requests", 429), Reply(hang_up=True), BAD_GATEWAY]
)
def test_who_is_turned_away_asks_again_under_the_same_request_id(ask: Ask, first: Reply) -> None:
    with gateway(first, first, Reply()) as server:
        assert ask(server.url).model_version == "3"
    assert len(server.asked) == 3
    assert len({headers["X-Request-Id"] for _, headers, _ in server.asked}) == 1


def test_attempts_are_bounded_and_the_last_reason_is_raised(ask: Ask) -> None:
    with gateway(problem("unavailable", 503)) as server, pytest.raises(Unavailable, match="503 unavailable: why"):
        ask(server.url)
    assert len(server.asked) == 3


def test_the_server_says_when_to_come_back_and_that_is_waited_for(ask: Ask) -> None:
    started = time.monotonic()
    with gateway(problem("overloaded", 503, Retry_After="1"), Reply()) as server:
        ask(server.url)
    assert time.monotonic() - started >= 1.0


def test_a_wait_beyond_the_deadline_is_not_begun(ask: Ask) -> None:
    started = time.monotonic()
    with gateway(problem("no-champion", 503, Retry_After="60")) as server, pytest.raises(NoModel) as raised:
        ask(server.url)
    assert time.monotonic() - started < 5.0
    assert raised.value.retry_after_s == 60.0
    assert len(server.asked) == 1


@pytest.mark.parametrize("reply", [Reply(slow_s=1.0), Reply(dribble_s=0.02)], ids=["slow", "dribbling"])
def test_the_deadline_holds_and_a_slow_server_is_not_asked_twice(ask: Ask, reply: Reply) -> None:
    with gateway(reply) as server:
        started = time.monotonic()
        with pytest.raises(NoAnswer, match="Timeout"):
            ask(server.url, deadline_s=0.2)
        assert time.monotonic() - started < 0.9
    assert len(server.asked) == 1


def test_nobody_there_is_said_after_all_attempts(ask: Ask) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NoAnswer, match=r"ConnectError.*\(request [0-9a-f]{32}\)"):
        ask(url)


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (problem("unauthenticated", 401), AccessDenied),
        (problem("market-forbidden", 403), AccessDenied),
        (problem("unknown-articles", 404), UnknownArticles),
        (problem("invalid-request", 422), Refused),
        (problem("internal", 500), Unavailable),
        (problem("deadline-exceeded", 504), Unavailable),
    ],
)
def test_what_another_attempt_would_not_change_is_raised_at_once(ask: Ask, reply: Reply, raised: type[Problem]) -> None:
    with gateway(reply) as server, pytest.raises(raised) as found:
        ask(server.url)
    assert (found.value.status, found.value.detail) == (reply.status, "why")
    assert len(server.asked) == 1


def test_who_wants_no_second_attempt_has_none(ask: Ask) -> None:
    with gateway(problem("too-many-requests", 429)) as server, pytest.raises(RateLimited):
        ask(server.url, retries=NEVER)
    assert len(server.asked) == 1


def test_a_proxy_without_a_gateway_is_no_answer(ask: Ask) -> None:
    with gateway(BAD_GATEWAY) as server, pytest.raises(NoAnswer, match="answered 502 with nothing: '<h1>Bad"):
        ask(server.url)
    assert len(server.asked) == 3


@pytest.mark.parametrize("reply", [Reply(404, "<h1>Not here</h1>"), Reply(200, "hello"), Reply(200, {"a": 1})])
def test_what_is_no_answer_of_this_api_is_shown(ask: Ask, reply: Reply) -> None:
    with gateway(reply) as server, pytest.raises(NotUnderstood, match=f"answered {reply.status}"):
        ask(server.url)


def test_the_markets_of_the_key_are_listed() -> None:
    markets = {"markets": [{"name": "de", "champion": "3", "ready": True}]}
    with gateway(Reply(document=markets)) as server:
        with Client(server.url, "key") as client:
            assert [(one.name, one.champion, one.ready) for one in client.markets()] == [("de", "3", True)]

        async def ask() -> Any:
            async with AsyncClient(server.url, "key") as client:
                return await client.markets()

        assert asyncio.run(ask())[0].name == "de"


def test_the_key_comes_from_the_environment_or_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FITWAVE_API_KEY", raising=False)
    with pytest.raises(ValueError, match="no API key: give one, or set FITWAVE_API_KEY"):
        Client("http://localhost")
    monkeypatch.setenv("FITWAVE_API_KEY", "from-outside")
    with gateway(Reply()) as server, Client(server.url) as client:
        client.recommend("de", "c-1", ["a-1"])
    assert server.asked[0][1]["Authorization"] == "Bearer from-outside"


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'sizes\.example\.com' is no address of a gateway"):
        Client("sizes.example.com", "key")
