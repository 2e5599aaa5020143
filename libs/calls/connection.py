"""A caller's connection to one replica: many calls at once, each of which can be given up alone."""

import asyncio
import time
from itertools import count
from typing import Any, TypeVar, cast

from libs.base.errors import TransientError
from libs.base.tracing import CURRENT
from libs.calls.frames import Frames, Kind, Method, decode_failure, encode_call, frame
from libs.calls.replicas import Replica

R = TypeVar("R")

_CONNECT_S = 1.0


class ReplicaLost(TransientError):
    """The replica went away before it answered. Another one can be asked."""


class Connection(asyncio.Protocol):
    """Open as long as the replica is there and somebody wants it; `open_connection` makes one."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._frames = Frames()
        self._numbers = count()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._heard_at = 0.0
        self._is_retired = False

    @property
    def in_flight(self) -> int:
        """Calls that wait for their answer."""
        return len(self._waiting)

    def is_silent(self, seconds: float) -> bool:
        """Whether calls have waited for so long, and nothing was heard: a replica that is only busy answers others."""
        return bool(self._waiting) and time.monotonic() - self._heard_at >= seconds

    async def call(self, method: Method[R], arguments: tuple[Any, ...]) -> R:
        """The method's result.

        When the awaiting task is cancelled, the replica is told not to do it.

        Raises:
            ReplicaLost: the connection ended first.
            Busy, FitwaveError, CalledFailed: what the replica answered.
        """
        if self._transport is None:
            raise ReplicaLost(f"{self._replica.host}:{self._replica.port} is gone")
        if not self._waiting:
            self._heard_at = time.monotonic()
        number = next(self._numbers) & 0xFFFFFFFF
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._transport.write(frame(Kind.CALL, number, encode_call(method, arguments, CURRENT.get())))
        try:
            return method.decode_result(await answer)
        except asyncio.CancelledError:
            if self._transport is not None:
                self._transport.write(frame(Kind.CANCEL, number))
            raise
        finally:
            self._waiting.pop(number, None)
            if self._is_retired:
                self.retire()

    def retire(self) -> None:
        """Take no new calls; close once those in flight are answered."""
        self._is_retired = True
        if not self._waiting and self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no common class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(frame(Kind.HELLO, 0, self._replica.token.encode()))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ReplicaLost(f"{self._replica.host}:{self._replica.port} went away ({error})"))

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        for kind, number, payload in self._frames.feed(data):
            answer = self._waiting.get(number)
            if answer is None or answer.done():
                continue  # given up meanwhile
            if kind is Kind.ANSWER:
                answer.set_result(payload)
            else:
                answer.set_exception(decode_failure(payload))


async def open_connection(replica: Replica) -> Connection:
    """Connect to a replica.

    Raises:
        ReplicaLost: nobody answers there.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, connection = await loop.create_connection(lambda: Connection(replica), replica.host, replica.port)
    except OSError as error:
        raise ReplicaLost(f"{replica.host}:{replica.port} cannot be reached: {error}") from error
    return connection
