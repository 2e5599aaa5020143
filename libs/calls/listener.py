"""A replica's end of direct calls: it answers those whom Serve told its token."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from libs.base.errors import FitwaveError
from libs.base.tracing import NoTracer, Tracer
from libs.calls.frames import Busy, Frames, Kind, Method, decode_call, encode, encode_failure, frame
from libs.calls.replicas import Replica

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answering:
    method: Method[Any]
    answer: Callable[..., Awaitable[Any]]


class Listener:
    """Runs the methods that callers name, at most `most_at_once` together; more are turned away as `Busy`."""

    def __init__(
        self,
        methods: Mapping[Method[Any], Callable[..., Awaitable[Any]]],
        most_at_once: int,
        tracer: Tracer | None = None,
    ) -> None:
        self._methods = {method.name: _Answering(method, answer) for method, answer in methods.items()}
        self._most_at_once = most_at_once
        self._tracer = tracer or NoTracer()
        self._token = secrets.token_hex(32)
        self._running: set[asyncio.Task[None]] = set()

    async def start(self, host: str) -> Replica:
        """Listen on a free port of this address."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Peer(self), host, 0)
        return Replica(host, server.sockets[0].getsockname()[1], self._token)

    def knows(self, token: bytes) -> bool:
        """Whether a caller was told by Serve."""
        return hmac.compare_digest(token, self._token.encode())

    def begin(self, peer: "_Peer", number: int, payload: bytes) -> "asyncio.Task[None] | None":
        """Start a call; None if it was turned away."""
        if len(self._running) >= self._most_at_once:
            peer.send(Kind.FAILURE, number, encode_failure(Busy(f"{self._most_at_once} calls are under way")))
            return None
        task = asyncio.get_running_loop().create_task(self._run(peer, number, payload))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, peer: "_Peer", number: int, payload: bytes) -> None:
        try:
            answer = await self._answer(*decode_call(payload))
        except FitwaveError as error:
            peer.send(Kind.FAILURE, number, encode_failure(error))
        except Exception as error:  # the outermost boundary: the caller is told, the log has the traceback
            log.exception("a direct call failed")
            peer.send(Kind.FAILURE, number, encode_failure(error))
        else:
            peer.send(Kind.ANSWER, number, answer)

    async def _answer(self, name: str, arguments: bytes, traceparent: str) -> bytes:
        called = self._methods[name]
        if not traceparent:
            return encode(await called.answer(*called.method.decode_arguments(arguments)))
        with self._tracer.span(name, traceparent):
            return encode(await called.answer(*called.method.decode_arguments(arguments)))


class _Peer(asyncio.Protocol):
    """One caller's connection. What it asked for and no longer waits for is not done."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._is_known = False
        self._calls: dict[int, asyncio.Task[None]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no common class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for task in list(self._calls.values()):
            task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            # All of it before any call starts: one that is cancelled further on in it never does.
            for kind, number, payload in self._frames.feed(data):
                self._take(kind, number, payload)
        except ValueError as error:
            log.warning("a direct caller is cut off: %s", error)
            self._cut_off()

    def _take(self, kind: Kind, number: int, payload: bytes) -> None:
        if kind is Kind.HELLO:
            self._is_known = self._listener.knows(payload)
        if not self._is_known:
            raise ValueError("it does not have the token that Serve gives out")
        if kind is Kind.CALL and (task := self._listener.begin(self, number, payload)) is not None:
            self._calls[number] = task
            task.add_done_callback(lambda _: self._calls.pop(number, None))
        elif kind is Kind.CANCEL and number in self._calls:
            self._calls[number].cancel()

    def _cut_off(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def send(self, kind: Kind, number: int, payload: bytes) -> None:
        """Send a frame, unless the caller has gone."""
        if self._transport is not None:
            self._transport.write(frame(kind, number, payload))
