"""Listeners on this process's loop, as replicas have them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

import pytest

from libs.calls.frames import Method
from libs.calls.listener import Listener
from libs.calls.replicas import Replica

ECHO = Method("echo", tuple[str, int], list[str])
WAIT = Method("wait", tuple[()], str)

# Without importing anything again.
_FORK = get_context("fork")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Echo:
    """A deployment's methods: one that answers, and one that waits until the test lets it."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    began: int = 0
    cancelled: int = 0

    async def echo(self, text: str, times: int) -> list[str]:
        return [text] * times

    async def wait(self) -> str:
        self.began += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "done"


Listen = Callable[..., Awaitable[tuple[Replica, Echo]]]


@pytest.fixture
def listen() -> Listen:
    async def start(most_at_once: int = 8, **instead: Callable[..., Awaitable[Any]]) -> tuple[Replica, Echo]:
        echo = Echo()
        methods: dict[Method[Any], Callable[..., Awaitable[Any]]] = {
            ECHO: instead.get("echo", echo.echo),
            WAIT: instead.get("wait", echo.wait),
        }
        return await Listener(methods, most_at_once).start("127.0.0.1"), echo

    return start


@pytest.fixture
def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _replica(said: Connection) -> None:
    async def run() -> None:
        echo = Echo()
        said.send(await Listener({ECHO: echo.echo, WAIT: echo.wait}, 8).start("127.0.0.1"))
        await asyncio.sleep(60)

    asyncio.run(run())


@pytest.fixture
def killable() -> Iterator[Callable[[], tuple[Replica, Callable[[], None]]]]:
    """Replicas in processes of their own, each with what kills it."""
    started: list[ForkProcess] = []

    def start() -> tuple[Replica, Callable[[], None]]:
        ours, theirs = _FORK.Pipe()
        started.append(_FORK.Process(target=_replica, args=(theirs,)))
        started[-1].start()
        return ours.recv(), started[-1].kill

    yield start
    for process in started:
        process.kill()
        process.join()
