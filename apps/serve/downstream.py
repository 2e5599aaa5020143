"""The gateway's call to the shadow router: one batch, and a second try when a replica is lost under it."""

import asyncio
import logging
from typing import Any

import grpc
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from apps.serve.coalescing import Overloaded
from libs.base.errors import TransientError
from libs.models.contract import SizeAnswer, SizeQuery

log = logging.getLogger(__name__)

# What a batch in flight gets when its replica, or one behind it, dies or drains. With gRPC between deployments Serve
# passes some of these through as bare RPC errors. A bug in a deployment is none of them.
_REPLICA_LOST = (RayActorError, RayServeException, grpc.aio.AioRpcError)
# Serve sends the second one to another replica. A prediction changes nothing, so repeating it is safe.
_TRIES = 2


class Downstream:
    """Answers batches; the callers' deadlines bound both tries together."""

    def __init__(self, shadow_router: DeploymentHandle[Any]) -> None:
        self._shadow_router = shadow_router

    async def recommend(self, queries: list[SizeQuery]) -> list[SizeAnswer]:
        """The answers to a batch of one market, in order.

        Raises:
            Overloaded: the deployments behind have their queues full.
            TransientError: replicas were lost under both tries.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                answers = await self._call(queries)
            except BackPressureError as error:
                raise Overloaded(f"the queues behind the gateway are full: {error}") from error
            except _REPLICA_LOST as error:
                log.warning("a replica was lost under a batch of %d, try %d of %d", len(queries), attempt, _TRIES)
                lost = error
            else:
                return answers
        raise TransientError(f"replicas were lost under {_TRIES} tries") from lost

    async def _call(self, queries: list[SizeQuery]) -> list[SizeAnswer]:
        response: Any = self._shadow_router.recommend.remote(queries)
        try:
            answers: list[SizeAnswer] = await response
        except asyncio.CancelledError:
            response.cancel()  # or the replica would go on working for nobody
            raise
        return answers
