"""The call to the shadow router, when replicas die under it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException

from apps.serve.coalescing import Overloaded
from apps.serve.downstream import Downstream
from libs.base.errors import TransientError
from libs.models.contract import SizeAnswer, SizeQuery
from tests.unit.apps.serve.router import Router

pytestmark = pytest.mark.anyio

QUERIES = [SizeQuery("de", "c", ["a"], "r")]
ANSWERS = [SizeAnswer("r", "1", [])]


def failing(*errors: Exception) -> Router:
    """A router that fails with these errors in turn, then answers."""
    left = list(errors)

    async def recommend(queries: list[SizeQuery]) -> list[SizeAnswer]:
        if left:
            raise left.pop(0)
        return ANSWERS

    return Router(recommend)


def asking(router: Router) -> Callable[[list[SizeQuery]], Awaitable[list[SizeAnswer]]]:
    return Downstream(router).recommend  # type: ignore[arg-type]  # Router is the handle's boundary


def lost_behind(error: Exception) -> Exception:
    """What arrives when a deployment behind the router dies: the router's own error is the wrapped one."""
    task_error: Any = RayTaskError
    wrapped: Exception = task_error("recommend", "traceback", error).as_instanceof_cause()
    return wrapped


LOSSES = [
    ActorDiedError(),
    ActorUnavailableError("gone", None),
    RayServeException("an upstream actor died"),
    grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, grpc.aio.Metadata(), grpc.aio.Metadata()),
    lost_behind(ActorDiedError()),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
async def test_asks_another_replica_when_one_is_lost(loss: Exception) -> None:
    router = failing(loss)
    assert await asking(router)(QUERIES) == ANSWERS
    assert router.batches == [QUERIES, QUERIES]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
async def test_two_losses_may_pass(loss: Exception) -> None:
    router = failing(loss, loss)
    with pytest.raises(TransientError):
        await asking(router)(QUERIES)
    assert len(router.batches) == 2


@pytest.mark.parametrize("error", [BackPressureError(8, 8), lost_behind(BackPressureError(8, 8))])
async def test_full_queues_are_not_asked_again(error: Exception) -> None:
    router = failing(error)
    with pytest.raises(Overloaded):
        await asking(router)(QUERIES)
    assert len(router.batches) == 1


async def test_a_bug_behind_is_passed_on_and_not_repeated() -> None:
    router = failing(lost_behind(KeyError("market")))
    with pytest.raises(KeyError):
        await asking(router)(QUERIES)
    assert len(router.batches) == 1


async def test_cancels_the_work_of_a_call_that_is_cancelled() -> None:
    async def hang(queries: list[SizeQuery]) -> list[SizeAnswer]:
        await asyncio.sleep(60)
        return []

    router = Router(hang)
    task = asyncio.ensure_future(asking(router)(QUERIES))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [call.cancelled for call in router.calls] == [True]
