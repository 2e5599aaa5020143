"""Coalescing: who travels with whom, and who suffers with whom."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import pytest

from apps.serve.coalescing import Coalescer, Overloaded
from libs.base.errors import InvariantError, TransientError
from libs.models.contract import SizeAnswer, SizeQuery

pytestmark = pytest.mark.anyio


class Line:
    """A dispatch function whose batches return when the test lets them."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.ends: list[asyncio.Future[None]] = []
        self.cancelled: list[int] = []
        self.waited_s: list[float] = []

    async def dispatch(self, market: str, queries: list[SizeQuery], waited_s: float) -> list[SizeAnswer]:
        number = len(self.batches)
        self.batches.append((market, [query.request_id for query in queries]))
        self.waited_s.append(waited_s)
        self.ends.append(asyncio.get_running_loop().create_future())
        try:
            await self.ends[number]
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return [SizeAnswer(query.request_id, "1", []) for query in queries]

    def end(self, batch: int) -> None:
        self.ends[batch].set_result(None)

    @property
    def sent(self) -> list[list[str]]:
        return [ids for _, ids in self.batches]


def coalescer(line: Line, in_flight: int = 1, batch: int = 64, waiting: int = 100) -> Coalescer:
    return Coalescer(line.dispatch, in_flight, batch, waiting)


def ask(to: Coalescer, *ids: str, market: str = "de") -> list[asyncio.Task[SizeAnswer]]:
    return [asyncio.create_task(to.ask(SizeQuery(market, "c", ["a"], i))) for i in ids]


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_request_leaves_at_once_when_nothing_is_in_flight() -> None:
    line = Line()
    ask(coalescer(line), "1")
    await settle()
    assert line.sent == [["1"]]


async def test_what_arrives_together_leaves_together() -> None:
    line = Line()
    ask(coalescer(line, in_flight=2), "1", "2", "3")
    await settle()
    assert line.sent == [["1", "2", "3"]]


async def test_requests_collect_while_all_places_are_taken_and_leave_when_one_returns() -> None:
    line = Line()
    to = coalescer(line, in_flight=2)
    for i in "1234":
        ask(to, i)
        await settle()
    assert line.sent == [["1"], ["2"]]
    line.end(1)
    await settle()
    assert line.sent == [["1"], ["2"], ["3", "4"]]


async def test_a_batch_has_a_largest_size_and_the_oldest_go_first() -> None:
    line = Line()
    to = coalescer(line, batch=2)
    ask(to, *"12345")
    await settle()
    for batch in range(3):
        line.end(batch)
        await settle()
    assert line.sent == [["1", "2"], ["3", "4"], ["5"]]


async def test_every_caller_gets_its_own_answer() -> None:
    line = Line()
    tasks = ask(coalescer(line), *"123")
    await settle()
    line.end(0)
    assert [answer.request_id for answer in await asyncio.gather(*tasks)] == ["1", "2", "3"]


async def test_markets_neither_share_batches_nor_wait_for_one_another() -> None:
    line = Line()
    to = coalescer(line)
    ask(to, "1")
    ask(to, "2", market="us")
    await settle()
    assert line.batches == [("de", ["1"]), ("us", ["2"])]


async def test_more_than_may_wait_are_turned_away_at_once() -> None:
    line = Line()
    to = coalescer(line, waiting=2)
    ask(to, "1")
    await settle()
    late = ask(to, "2", "3", "4")
    elsewhere = ask(to, "5", market="us")
    await settle()
    assert isinstance(late[2].exception(), Overloaded)
    assert not late[0].done()
    assert not elsewhere[0].done()


async def test_a_caller_that_leaves_while_waiting_is_not_asked_for_and_frees_its_place() -> None:
    line = Line()
    to = coalescer(line, waiting=2)
    ask(to, "1")
    await settle()
    second, _ = ask(to, "2", "3")
    await settle()
    second.cancel()
    await settle()
    (fourth,) = ask(to, "4")
    line.end(0)
    await settle()
    assert line.sent == [["1"], ["3", "4"]]
    assert not fourth.done()


async def test_a_caller_that_leaves_takes_nobody_along() -> None:
    line = Line()
    first, second = ask(coalescer(line), "1", "2")
    await settle()
    first.cancel()
    await settle()
    line.end(0)
    assert (await second).request_id == "2"
    assert line.cancelled == []


async def test_a_batch_that_all_have_left_is_cancelled_and_gives_its_place_back() -> None:
    line = Line()
    to = coalescer(line)
    tasks = ask(to, "1", "2")
    await settle()
    ask(to, "3")
    for task in tasks:
        task.cancel()
    await settle()
    assert line.cancelled == [0]
    assert line.sent == [["1", "2"], ["3"]]


async def test_a_failing_batch_fails_its_own_callers_only() -> None:
    line = Line()
    to = coalescer(line, in_flight=2)
    doomed = ask(to, "1", "2")
    await settle()
    (safe,) = ask(to, "3")
    await settle()
    line.ends[0].set_exception(ValueError("boom"))
    line.end(1)
    assert (await safe).request_id == "3"
    assert [str(task.exception()) for task in doomed] == ["boom", "boom"]


async def test_after_a_failure_the_next_batch_leaves() -> None:
    line = Line()
    to = coalescer(line)
    (first,) = ask(to, "1")
    await settle()
    (second,) = ask(to, "2")
    await settle()
    line.ends[0].set_exception(ValueError("boom"))
    await settle()
    line.end(1)
    assert (await second).request_id == "2"
    assert isinstance(first.exception(), ValueError)


async def test_a_batch_cancelled_from_beneath_may_be_asked_again() -> None:
    line = Line()
    (task,) = ask(coalescer(line), "1")
    await settle()
    line.ends[0].cancel()
    await settle()
    assert isinstance(task.exception(), TransientError)


async def test_a_wrong_number_of_answers_is_a_bug_and_goes_to_nobody() -> None:
    async def forget_one(market: str, queries: list[SizeQuery], waited_s: float) -> list[SizeAnswer]:
        return [SizeAnswer(query.request_id, "1", []) for query in queries[1:]]

    tasks = ask(Coalescer(forget_one, 1, 64, 100), "1", "2")
    await settle()
    assert [type(task.exception()) for task in tasks] == [InvariantError, InvariantError]


async def test_a_batch_belongs_to_none_of_its_callers() -> None:
    request = contextvars.ContextVar("request", default="none")
    seen: list[str] = []

    async def look(market: str, queries: list[SizeQuery], waited_s: float) -> list[SizeAnswer]:
        seen.append(request.get())
        return [SizeAnswer(query.request_id, "1", []) for query in queries]

    request.set("the first caller's")
    await Coalescer(look, 1, 64, 100).ask(SizeQuery("de", "c", ["a"], "1"))
    assert seen == ["none"]


async def test_under_a_crowd_nobody_is_lost_or_mixed_up() -> None:
    sizes: list[int] = []
    under_way = [0]

    async def dispatch(market: str, queries: list[SizeQuery], waited_s: float) -> list[SizeAnswer]:
        under_way[0] += 1
        assert under_way[0] <= 2
        sizes.append(len(queries))
        await asyncio.sleep(0.001)
        under_way[0] -= 1
        return [SizeAnswer(query.request_id, "1", []) for query in queries]

    to = Coalescer(dispatch, 2, 16, 1000)

    async def caller(number: int) -> None:
        for turn in range(5):
            answer = await to.ask(SizeQuery("de", "c", ["a"], f"{number}-{turn}"))
            assert answer.request_id == f"{number}-{turn}"

    callers: list[Coroutine[Any, Any, None]] = [caller(number) for number in range(50)]
    await asyncio.gather(*callers)
    assert sum(sizes) == 250
    assert max(sizes) <= 16


async def test_a_batch_knows_how_long_the_first_of_it_has_waited() -> None:
    line = Line()
    to = coalescer(line)
    ask(to, "1")
    await settle()
    ask(to, "2")
    await settle()
    await asyncio.sleep(0.03)
    ask(to, "3")
    line.end(0)
    await settle()
    assert line.sent == [["1"], ["2", "3"]]
    assert line.waited_s[0] < 0.02 < 0.03 <= line.waited_s[1]
    line.end(1)
