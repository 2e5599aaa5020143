"""What the tests of the HTTP edge share: a router at the boundary, known keys, and a client without a network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from apps.serve.api_keys import SCOPES, KeyRing, mint
from apps.serve.gateway import Gateway
from apps.serve.key_watch import KeyWatch
from libs.models.contract import Basis, Recommendation, SizeAnswer, SizeQuery

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


async def size_38(queries: list[SizeQuery]) -> list[SizeAnswer]:
    """Size 38 for every article, except that articles named `unknown...` are."""
    return [
        SizeAnswer(
            query.request_id,
            "3",
            [recommendation(a, "unknown_article" if a.startswith("unknown") else None) for a in query.article_ids],
        )
        for query in queries
    ]


class Edge:
    """A gateway with markets de (version 3), us (no champion yet) and fr (version 7), keys, and a client to ask it."""

    def __init__(self, recommend: Recommend, settings: dict[str, Any]) -> None:
        every, self.key = mint("every market", None, frozenset(SCOPES))
        german, self.german_key = mint("de only", frozenset({"de"}), frozenset(SCOPES))
        watcher, self.watcher_key = mint("watches markets", None, frozenset({"markets"}))
        self.ring: KeyRing | None = KeyRing([every, german, watcher])
        self.router = Router(recommend)
        self.keys = KeyWatch(self._read_keys)
        self.gateway = Gateway(self.router, "test", settings, "redis://127.0.0.1:1", self.keys)  # type: ignore[arg-type]  # Router is the handle's boundary
        self.gateway.reconfigure({"markets": {"de": {"champion": "3"}, "us": {"champion": None}, "fr": {"champion": "7"}}})
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self._serve), base_url="http://fitwave")

    async def _read_keys(self) -> KeyRing:
        assert self.ring is not None
        return self.ring

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.gateway(Request(scope, receive))
        await response(scope, receive, send)

    async def ask(self, market: str = "de", body: Any = None, key: str | None = None, **options: Any) -> httpx.Response:
        """POST a question, by default customer c about article a with the key of every market."""
        headers = {"Authorization": f"Bearer {key or self.key}"} | options.pop("headers", {})
        options.setdefault("json", body or {"customer_id": "c", "article_ids": ["a"]})
        return await self.client.post(f"/v1/markets/{market}/size-recommendations", headers=headers, **options)

    async def get(self, path: str, key: str | None = None) -> httpx.Response:
        """GET a path, with no key by default."""
        return await self.client.get(path, headers={"X-API-Key": key} if key else {})


MakeEdge = Callable[..., Edge]


@pytest.fixture
def anyio_backend() -> str:
    """Ray Serve runs deployments on asyncio."""
    return "asyncio"


@pytest.fixture
async def make_edge(anyio_backend: str) -> AsyncIterator[MakeEdge]:
    """Makes gateways around a recommend function and settings."""
    edges: list[Edge] = []

    def make(recommend: Recommend = size_38, **settings: Any) -> Edge:
        edges.append(Edge(recommend, settings))
        return edges[-1]

    yield make
    for edge in edges:
        await edge.client.aclose()
        await edge.keys.stop()


@pytest.fixture
async def edge(make_edge: MakeEdge) -> Edge:
    """A gateway whose router recommends size 38 for everything."""
    return make_edge()
