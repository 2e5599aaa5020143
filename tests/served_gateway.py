"""A gateway that real HTTP reaches, on a port of its own; behind it every size is 38."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from apps.serve.gateway import Gateway
from libs.base.api_keys import SCOPES, KeyRing, mint
from libs.base.key_watch import KeyWatch
from libs.base.telemetry import Telemetry
from tests.unit.apps.serve.router import Router, size_38

_READY_S = 20.0


@dataclass(frozen=True)
class ServedGateway:
    """Where it answers, and a key for all it has: market de, whose champion is version 3."""

    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _App:
    """A gateway as an ASGI application. It is made in the loop that serves it, as Serve does."""

    def __init__(self, ring: KeyRing, settings: dict[str, Any]) -> None:
        self._ring = ring
        self._settings = settings
        self._gateway: Gateway | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._gateway is None:
            nowhere = Telemetry("test", "redis://127.0.0.1:1")
            self._gateway = Gateway(Router(size_38), "test", self._settings, nowhere, KeyWatch(self._keys))  # type: ignore[arg-type]  # Router is the handle's boundary
            self._gateway.reconfigure({"markets": {"de": {"champion": "3"}}})
        response = await self._gateway(Request(scope, receive))
        await response(scope, receive, send)

    async def _keys(self) -> KeyRing:
        return self._ring


@contextmanager
def served_gateway(**settings: Any) -> Iterator[ServedGateway]:
    """Serve one in a thread, with these settings of `libs.base.environment.Gateway`."""
    key, text = mint("everything", None, frozenset(SCOPES))
    config = uvicorn.Config(_App(KeyRing([key]), settings), port=0, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    try:
        deadline = time.monotonic() + _READY_S
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        [listening] = server.servers
        yield ServedGateway(listening.sockets[0].getsockname()[1], text)
    finally:
        server.should_exit = True
        thread.join()
