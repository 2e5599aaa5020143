"""What stands at the gateway's boundary in its tests: a router that answers as the test says."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from libs.models.contract import Answered, Basis, Recommendation, SizeAnswer, SizeQuery, answered

Recommend = Callable[[list[SizeQuery]], Awaitable[list[SizeAnswer]]]


class Call:
    """What a deployment handle's call returns: something to await or to cancel."""

    def __init__(self, task: asyncio.Task[list[SizeAnswer]]) -> None:
        self._task = task
        self.cancelled = False

    def __await__(self) -> Generator[Any, None, list[SizeAnswer]]:
        return asyncio.shield(self._task).__await__()

    def cancel(self) -> None:
        self.cancelled = True
        self._task.cancel()


class Router:
    """Stands where the shadow router's handle is; answers with a function, and keeps what it was asked."""

    def __init__(self, recommend: Recommend) -> None:
        self._recommend = recommend
        # As a handle is that has not been told of any replica: every call goes through it.
        self._router = None
        self.deployment_name = "ShadowRouter"
        self.batches: list[list[SizeQuery]] = []
        self.calls: list[Call] = []

    @property
    def recommend(self) -> "Router":
        return self

    def remote(self, queries: list[SizeQuery]) -> Call:
        async def answer() -> list[SizeAnswer]:
            return await self._recommend(queries)

        self.batches.append(queries)
        self.calls.append(Call(asyncio.create_task(answer())))
        return self.calls[-1]


def recommendation(article_id: str, reason: Any = None) -> Recommendation:
    """Size 38 with confidence 0.8, or an abstention for this reason."""
    abstained = reason is not None
    size, confidence = (None, None) if abstained else ("38", 0.8)
    basis = None if abstained else Basis("history", "article")
    return Recommendation(article_id, size, confidence, None, abstained, reason, basis, [], [])


def answer(article_id: str, reason: Any = None) -> Answered:
    """The same as it travels."""
    return answered(recommendation(article_id, reason))


async def size_38(queries: list[SizeQuery]) -> list[SizeAnswer]:
    """Size 38 for every article, except that articles named `unknown...` are."""
    return [
        SizeAnswer(
            query.request_id,
            "3",
            [answer(a, "unknown_article" if a.startswith("unknown") else None) for a in query.article_ids],
        )
        for query in queries
    ]
