"""Calls to a deployment whose replicas come, go and die."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException

from libs.calls.caller import Caller, Way
from libs.calls.connection import ReplicaLost
from libs.calls.frames import Busy
from libs.calls.replicas import Replica
from tests.unit.libs.calls.conftest import ECHO, WAIT, Listen

pytestmark = pytest.mark.anyio


class Response:
    """What a handle's call gives: something to await or to cancel."""

    def __init__(self, answer: Awaitable[list[str]]) -> None:
        self._task = asyncio.ensure_future(answer)
        self.cancelled = False

    def __await__(self) -> Any:
        return asyncio.shield(self._task).__await__()

    def cancel(self) -> None:
        self.cancelled = True
        self._task.cancel()


class Handle:
    """Stands where Serve's handle is: it knows the replicas that the test says, and answers what is left to it."""

    deployment_name = "Echo"

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self._choosing = SimpleNamespace(curr_replicas={})
        # Serve tells a handle of replicas from its first use on.
        self._router: Any = None
        self.responses: list[Response] = []
        self.echo = SimpleNamespace(remote=self._remote)
        self.wait = SimpleNamespace(remote=self._remote)

    def runs(self, *replicas: Replica) -> None:
        """What Serve says after a change."""
        self._choosing.curr_replicas = {one: SimpleNamespace(replica_metadata=one._asdict()) for one in replicas}

    def options(self) -> None:
        self._router = SimpleNamespace(_asyncio_router=SimpleNamespace(request_router=self._choosing))

    def _remote(self, *arguments: Any) -> Response:
        self.options()

        async def answer() -> list[str]:
            if self._errors:
                raise self._errors.pop(0)
            if not arguments:
                await asyncio.sleep(60)
            return ["by Serve"]

        self.responses.append(Response(answer()))
        return self.responses[-1]


def calling(handle: Handle, count: Callable[[Way], object] | None = None) -> Caller:
    caller = Caller(handle, count)  # type: ignore[arg-type]  # Handle is the handle's boundary
    caller.prepare()
    return caller


async def test_goes_straight_to_a_replica_and_says_so(listen: Listen) -> None:
    handle, ways = Handle(), list[Way]()
    caller = calling(handle, ways.append)
    assert await caller.call(ECHO, "a", 1) == ["by Serve"]
    handle.runs((await listen())[0])
    assert await caller.call(ECHO, "a", 2) == ["a", "a"]
    assert ways == ["serve", "direct"]


async def test_the_first_call_goes_straight_too_once_it_is_prepared(listen: Listen) -> None:
    handle = Handle()
    handle.runs((await listen())[0])
    assert await calling(handle).call(ECHO, "a", 1) == ["a"]
    unprepared = Caller(handle)  # type: ignore[arg-type]  # Handle is the handle's boundary
    handle._router = None
    assert await unprepared.call(ECHO, "a", 1) == ["by Serve"]


async def test_with_few_calls_every_replica_has_its_share(listen: Listen) -> None:
    answered = {"first": 0, "second": 0}

    def counting(name: str) -> Callable[[str, int], Awaitable[list[str]]]:
        async def echo(text: str, times: int) -> list[str]:
            answered[name] += 1
            return [text] * times

        return echo

    handle = Handle()
    handle.runs(*[(await listen(echo=counting(name)))[0] for name in answered])
    caller = calling(handle)
    for _ in range(60):
        await caller.call(ECHO, "a", 1)
    assert min(answered.values()) > 10


async def test_a_replica_that_does_not_listen_is_asked_by_serve() -> None:
    handle = Handle()
    handle._choosing.curr_replicas = {"old": SimpleNamespace(replica_metadata={})}
    assert await calling(handle).call(ECHO, "a", 1) == ["by Serve"]


async def test_spreads_over_the_replicas_and_leaves_a_hanging_one_alone(listen: Listen) -> None:
    (hanging, stuck), (lively, _) = await listen(), await listen()
    handle = Handle()
    caller = calling(handle)
    handle.runs(hanging)
    held = asyncio.create_task(caller.call(WAIT))
    while not stuck.began:
        await asyncio.sleep(0.001)
    handle.runs(hanging, lively)
    assert [await caller.call(ECHO, f"{i}", 1) for i in range(20)] == [[f"{i}"] for i in range(20)]
    assert stuck.began == 1
    stuck.go_on.set()
    assert await held == "done"


async def test_a_call_that_loses_its_replica_is_made_again_on_another(
    listen: Listen, killable: Callable[[], tuple[Replica, Callable[[], None]]]
) -> None:
    (dying, kill), (living, echo) = killable(), await listen()
    handle = Handle()
    caller = calling(handle)
    handle.runs(dying)
    held = asyncio.create_task(caller.call(WAIT))
    await caller.call(ECHO, "a", 1)
    handle.runs(dying, living)
    kill()
    while not echo.began:
        await asyncio.sleep(0.001)
    echo.go_on.set()
    assert await held == "done"
    # Until Serve has noticed, the dead one stays named; it is left out.
    assert [await caller.call(ECHO, "a", 1) for _ in range(5)] == [["a"]] * 5
    assert not handle.responses


async def test_without_any_replica_left_serve_is_asked_to_wait_for_one(listen: Listen, free_port: int) -> None:
    handle = Handle()
    handle.runs(Replica("127.0.0.1", free_port, ""))
    assert await calling(handle).call(ECHO, "a", 1) == ["by Serve"]


async def test_replicas_that_are_gone_are_not_asked(listen: Listen) -> None:
    (old, _), (new, echo) = await listen(), await listen()
    handle = Handle()
    caller = calling(handle)
    handle.runs(old)
    await caller.call(ECHO, "a", 1)
    handle.runs(new)
    held = asyncio.create_task(caller.call(WAIT))
    while not echo.began:
        await asyncio.sleep(0.001)
    held.cancel()


async def test_cancelling_a_call_stops_its_work_and_no_other(listen: Listen) -> None:
    replica, echo = await listen()
    handle = Handle()
    handle.runs(replica)
    caller = calling(handle)
    first, second = (asyncio.create_task(caller.call(WAIT)) for _ in range(2))
    while echo.began < 2:
        await asyncio.sleep(0.001)
    first.cancel()
    while not echo.cancelled:
        await asyncio.sleep(0.001)
    echo.go_on.set()
    assert await second == "done"


async def test_closed_it_still_answers_what_was_begun(listen: Listen) -> None:
    replica, echo = await listen()
    handle = Handle()
    handle.runs(replica)
    caller = calling(handle)
    held = asyncio.create_task(caller.call(WAIT))
    while not echo.began:
        await asyncio.sleep(0.001)
    caller.close()
    echo.go_on.set()
    assert await held == "done"


def lost_behind(error: Exception) -> Exception:
    """What arrives when Serve wraps the error of a deployment behind the one that was called."""
    task_error: Any = RayTaskError
    wrapped: Exception = task_error("echo", "traceback", error).as_instanceof_cause()
    return wrapped


LOSSES = [
    ActorDiedError(),
    ActorUnavailableError("gone", None),
    RayServeException("an upstream actor died"),
    grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, grpc.aio.Metadata(), grpc.aio.Metadata()),
    lost_behind(ActorDiedError()),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
async def test_serve_is_asked_again_when_it_loses_a_replica(loss: Exception) -> None:
    handle = Handle(loss)
    assert await calling(handle).call(ECHO, "a", 1) == ["by Serve"]
    assert len(handle.responses) == 2


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
async def test_three_losses_are_told(loss: Exception) -> None:
    handle = Handle(loss, loss, loss)
    with pytest.raises(ReplicaLost, match="Echo"):
        await calling(handle).call(ECHO, "a", 1)
    assert len(handle.responses) == 3


@pytest.mark.parametrize("error", [BackPressureError(8, 8), lost_behind(BackPressureError(8, 8))])
async def test_full_queues_are_not_asked_again(error: Exception) -> None:
    handle = Handle(error)
    with pytest.raises(Busy):
        await calling(handle).call(ECHO, "a", 1)
    assert len(handle.responses) == 1


async def test_a_bug_behind_serve_is_passed_on_and_not_repeated() -> None:
    handle = Handle(lost_behind(KeyError("market")))
    with pytest.raises(KeyError):
        await calling(handle).call(ECHO, "a", 1)
    assert len(handle.responses) == 1


async def test_cancels_what_serve_was_asked_for() -> None:
    handle = Handle()
    task = asyncio.create_task(calling(handle).call(WAIT))
    while not handle.responses:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [response.cancelled for response in handle.responses] == [True]


async def test_another_replica_is_asked_when_one_stands_still_and_then_it_alone(listen: Listen) -> None:
    still, asked_of_still = asyncio.Event(), 0

    async def stand_still(text: str, times: int) -> list[str]:
        nonlocal asked_of_still
        asked_of_still += 1
        await still.wait()
        return []

    handle = Handle()
    handle.runs((await listen(echo=stand_still))[0], (await listen())[0])
    caller = calling(handle)
    for number in range(20):
        begin = time.monotonic()
        assert await caller.call(ECHO, "a", number) == ["a"] * number
        assert time.monotonic() - begin < 1.0
    assert asked_of_still == 1


async def test_a_replica_that_answers_others_meanwhile_is_only_busy(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than this process itself is ever held up.
    monkeypatch.setattr("libs.calls.caller._SILENT_S", 1.0)
    handle = Handle()
    (first, one), (second, two) = [await listen() for _ in range(2)]
    handle.runs(first, second)
    caller = calling(handle)
    waiting = [asyncio.create_task(caller.call(WAIT)) for _ in range(2)]
    for _ in range(75):
        await caller.call(ECHO, "a", 1)
        await caller.call(ECHO, "b", 1)
        await asyncio.sleep(0.02)
    assert one.began + two.began == 2
    for echo in (one, two):
        echo.go_on.set()
    assert await asyncio.gather(*waiting) == ["done", "done"]


async def test_where_no_other_replica_is_a_silent_one_is_waited_for(listen: Listen) -> None:
    handle = Handle()
    replica, echo = await listen()
    handle.runs(replica)
    waiting = asyncio.create_task(calling(handle).call(WAIT))
    await asyncio.sleep(0.6)
    echo.go_on.set()
    assert await waiting == "done"
