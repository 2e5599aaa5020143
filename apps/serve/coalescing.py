"""Requests of one market that meet are answered as one batch: one lookup and one pass of the model for all of them.

Nothing waits for company. While there is a free place in flight a request leaves at once, together with what arrived
in the same turn of the event loop; only when all places are taken do requests collect, until a batch comes back.
Measured: 2 in flight answered 1,759 requests/s at 128 connections; a fixed wait of 2 ms is lost time at low load, and
4 in flight were slower.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from libs.base.errors import InvariantError, TransientError
from libs.models.contract import SizeAnswer, SizeQuery

# A market's batch, and how long the first of it has waited, in seconds.
Dispatch = Callable[[str, list[SizeQuery], float], Coroutine[Any, Any, list[SizeAnswer]]]

Caller: TypeAlias = asyncio.Future[SizeAnswer]
Batch: TypeAlias = asyncio.Task[list[SizeAnswer]]


class Overloaded(TransientError):
    """More requests of a market wait than may; the caller is turned away at once instead of late."""


@dataclass
class _Lane:
    """One market's requests. Callers that wait, oldest first, with their question and since when; and the batches that
    are under way.
    """

    market: str
    waiting: dict[Caller, tuple[SizeQuery, float]] = field(default_factory=dict)
    in_flight: int = 0
    send_is_due: bool = False


class Coalescer:
    """Gives each caller its own answer out of batches."""

    def __init__(self, dispatch: Dispatch, batches_in_flight: int, max_batch_requests: int, max_waiting: int) -> None:
        """`dispatch` answers a batch in order; the three limits hold for each market by itself."""
        self._dispatch = dispatch
        self._batches_in_flight = batches_in_flight
        self._max_batch_requests = max_batch_requests
        self._max_waiting = max_waiting
        self._lanes: dict[str, _Lane] = {}

    def is_full(self, market: str) -> bool:
        """Whether a further request of this market would be turned away."""
        lane = self._lanes.get(market)
        return lane is not None and len(lane.waiting) >= self._max_waiting

    async def ask(self, query: SizeQuery) -> SizeAnswer:
        """The answer to one query.

        A caller that is cancelled leaves the others of its batch alone; a batch that all have left is cancelled, so
        that one which never returns does not keep its place for ever.

        Raises:
            Overloaded: too many of this market wait already.
            Exception: whatever dispatch raised for this caller's batch.
        """
        if self.is_full(query.market):
            raise Overloaded(f"{self._max_waiting} requests of market {query.market!r} wait already")
        lane = self._lanes.setdefault(query.market, _Lane(query.market))
        loop = asyncio.get_running_loop()
        answer: Caller = loop.create_future()
        lane.waiting[answer] = (query, loop.time())
        if not lane.send_is_due:
            lane.send_is_due = True
            loop.call_soon(self._send, lane)
        try:
            return await answer
        finally:
            lane.waiting.pop(answer, None)

    def _send(self, lane: _Lane) -> None:
        """Fill the free places with batches."""
        lane.send_is_due = False
        while lane.waiting and lane.in_flight < self._batches_in_flight:
            callers = list(islice(lane.waiting, self._max_batch_requests))
            asked = [lane.waiting.pop(caller) for caller in callers]
            self._start(lane, callers, [query for query, _ in asked], since=asked[0][1])

    def _start(self, lane: _Lane, callers: list[Caller], queries: list[SizeQuery], since: float) -> None:
        # NOTE: an empty context, because Serve finds the calls to cancel with a request through the request's context:
        # in the first caller's, its going away would take the whole batch along.
        loop = asyncio.get_running_loop()
        call = self._dispatch(lane.market, queries, loop.time() - since)
        task = loop.create_task(call, context=contextvars.Context())
        lane.in_flight += 1
        present = set(callers)
        for caller in callers:
            caller.add_done_callback(partial(_leave, task, present))
        task.add_done_callback(partial(self._finish, lane, callers))

    def _finish(self, lane: _Lane, callers: list[Caller], task: Batch) -> None:
        lane.in_flight -= 1
        _deliver(callers, task)
        self._send(lane)


def _leave(
    task: Batch,
    present: set[Caller],
    caller: Caller,
) -> None:
    present.discard(caller)
    if not present and not task.done():
        task.cancel()


def _deliver(callers: list[Caller], task: Batch) -> None:
    if task.cancelled():
        _fail(callers, TransientError("the batch was cancelled"))
        return
    error = task.exception()
    if error is not None:
        _fail(callers, error)
        return
    answers = task.result()
    if len(answers) != len(callers):
        _fail(callers, InvariantError(f"{len(answers)} answers to a batch of {len(callers)} queries"))
        return
    for caller, answer in zip(callers, answers, strict=True):
        if not caller.done():
            caller.set_result(answer)


def _fail(callers: list[Caller], error: BaseException) -> None:
    for caller in callers:
        if not caller.done():
            caller.set_exception(error)
