"""What the tests of the HTTP edge share: a gateway with known keys, and a client without a network."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from apps.serve.gateway import Gateway
from libs.base.api_keys import SCOPES, KeyRing, mint
from libs.base.errors import TransientError
from libs.base.key_watch import KeyWatch
from libs.base.telemetry import Telemetry
from tests.unit.apps.serve.router import Recommend, Router, size_38

# No Redis: a gateway shows what it counted by itself.
NOWHERE = Telemetry("test", "redis://127.0.0.1:1")


class Edge:
    """A gateway with markets de (version 3), us (no champion yet) and fr (version 7), keys, and a client to ask it."""

    def __init__(self, recommend: Recommend, settings: dict[str, Any]) -> None:
        every, self.key = mint("every market", None, frozenset(SCOPES))
        german, self.german_key = mint("de only", frozenset({"de"}), frozenset(SCOPES))
        watcher, self.watcher_key = mint("watches markets", None, frozenset({"markets"}))
        self.ring: KeyRing | None = KeyRing([every, german, watcher])
        self.router = Router(recommend)
        self.keys = KeyWatch(self._read_keys)
        self.gateway = Gateway(self.router, "test", settings, NOWHERE, self.keys)  # type: ignore[arg-type]  # Router is the handle's boundary
        self.gateway.reconfigure(
            {"markets": {"de": {"champion": "3"}, "us": {"champion": None}, "fr": {"champion": "7"}}}
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self._serve), base_url="http://fitwave")

    async def _read_keys(self) -> KeyRing:
        if self.ring is None:
            raise TransientError("the store is away")
        return self.ring

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self.gateway(request)
        # As Serve's proxy does: what came with an id goes with it, beside what the gateway says.
        if echoed := request.headers.get("x-request-id"):
            response.headers.append("X-Request-Id", echoed)
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
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 s into a minute for ever, so that no test of a rate falls on two minutes."""
    monkeypatch.setattr("time.time", lambda: 1_000_000_040.0)


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
