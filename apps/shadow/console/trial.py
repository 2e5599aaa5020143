"""A question asked by hand: what the live application answers, by the way that a customer's question takes."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc
import msgspec
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from libs.base.errors import FitwaveError, TransientError
from libs.models.contract import Recommendation, SizeAnswer, SizeQuery
from libs.models.serving_plan import live_application

Ask = Callable[[SizeQuery], Awaitable[SizeAnswer]]

_AWAY = (RayError, RayServeException, grpc.aio.AioRpcError, FitwaveError, TimeoutError)


@dataclass(frozen=True)
class Trial:
    """The question, and the answer to it."""

    query: SizeQuery
    version: str
    features_as_of: datetime | None
    recommendation: Recommendation


class LiveRouter:
    """The live application's ShadowRouter, by name: nothing of that application is imported or started here."""

    def __init__(self, environment: str, timeout_s: float) -> None:
        self._application = live_application(environment)
        self._timeout_s = timeout_s
        self._handle: DeploymentHandle[Any] | None = None

    async def ask(self, query: SizeQuery) -> SizeAnswer:
        """The router's answer.

        Raises:
            TransientError: it does not answer.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._handle is None:
                    # Looking a handle up asks the Serve controller and blocks: never on the event loop.
                    self._handle = await asyncio.to_thread(
                        serve.get_deployment_handle, "ShadowRouter", self._application
                    )
                response: Any = self._handle.recommend.remote([query])
                [answer] = await response
        except _AWAY as error:
            why = str(error) or f"no answer within {self._timeout_s:g} s"
            raise TransientError(f"the live application does not answer: {why:.300}") from error
        return answer  # type: ignore[no-any-return]  # the handle is untyped


async def attempt(ask: Ask, market: str, customer_id: str, article_id: str, size: str) -> Trial:
    """Ask about one article; `size` is what the customer has chosen, empty if nothing.

    Raises:
        TransientError: the live application does not answer.
    """
    selected = {article_id: size} if size else {}
    query = SizeQuery(market, customer_id, [article_id], f"console-{uuid.uuid4().hex}", selected, by_hand=True)
    answer = await ask(query)
    recommendation = msgspec.json.decode(answer.recommendations[0].body, type=Recommendation)
    return Trial(query, answer.model_version, answer.features_as_of, recommendation)
