"""A connection and the listener at its other end, over a real socket."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from libs.base.errors import DataError
from libs.base.tracing import CURRENT, Note, NoTracer
from libs.calls.connection import Connection, ReplicaLost, open_connection
from libs.calls.frames import Busy, CalledFailed, Kind, encode_call, frame
from libs.calls.listener import Listener
from tests.unit.libs.calls.conftest import ECHO, WAIT, Echo, Listen

pytestmark = pytest.mark.anyio


async def settled(connection: Connection) -> None:
    """Until what was sent has been taken at the other end: an answered call went after it."""
    await connection.call(ECHO, ("", 0))


async def test_many_calls_share_a_connection_and_each_gets_its_own_answer(listen: Listen) -> None:
    replica, echo = await listen(most_at_once=100)
    connection = await open_connection(replica)
    waiting = asyncio.create_task(connection.call(WAIT, ()))
    answers = await asyncio.gather(*(connection.call(ECHO, (f"a{i}", i)) for i in range(50)))
    assert answers == [[f"a{i}"] * i for i in range(50)]
    assert connection.in_flight == 1
    echo.go_on.set()
    assert await waiting == "done"
    assert connection.in_flight == 0


async def test_large_arguments_arrive_whole(listen: Listen) -> None:
    connection = await open_connection((await listen())[0])
    text = "x" * 3_000_000
    assert await connection.call(ECHO, (text, 2)) == [text, text]


async def test_raises_what_the_method_raised(listen: Listen) -> None:
    async def refuse(text: str, times: int) -> list[str]:
        raise DataError(f"no such text: {text}")

    connection = await open_connection((await listen(echo=refuse))[0])
    with pytest.raises(DataError, match="no such text: a"):
        await connection.call(ECHO, ("a", 1))


async def test_a_bug_is_told_to_the_caller_and_leaves_the_others_alone(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    async def buggy(text: str, times: int) -> list[str]:
        raise KeyError(text)

    replica, echo = await listen(echo=buggy)
    connection = await open_connection(replica)
    waiting = asyncio.create_task(connection.call(WAIT, ()))
    with pytest.raises(CalledFailed, match="KeyError: 'a'"):
        await connection.call(ECHO, ("a", 1))
    assert "Traceback" in caplog.text
    echo.go_on.set()
    assert await waiting == "done"


async def test_arguments_of_other_types_are_refused(listen: Listen) -> None:
    connection = await open_connection((await listen())[0])
    with pytest.raises(CalledFailed, match="ValidationError"):
        await connection.call(ECHO, (1, "a"))


async def test_work_whose_caller_gave_up_is_stopped(listen: Listen) -> None:
    replica, echo = await listen()
    connection = await open_connection(replica)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connection.call(WAIT, ())
    await settled(connection)
    assert (echo.began, echo.cancelled) == (1, 1)


async def test_work_that_was_given_up_before_it_was_read_never_starts(listen: Listen) -> None:
    replica, echo = await listen()
    reader, writer = await asyncio.open_connection(replica.host, replica.port)
    hello = frame(Kind.HELLO, 0, replica.token.encode())
    given_up = frame(Kind.CALL, 1, encode_call(WAIT, ())) + frame(Kind.CANCEL, 1)
    writer.write(hello + given_up + frame(Kind.CALL, 2, encode_call(ECHO, ("a", 1))))
    await reader.readexactly(1)
    writer.close()
    assert echo.began == 0


async def test_work_whose_caller_is_gone_is_stopped(listen: Listen) -> None:
    replica, echo = await listen()
    _, writer = await asyncio.open_connection(replica.host, replica.port)
    writer.write(frame(Kind.HELLO, 0, replica.token.encode()) + frame(Kind.CALL, 1, encode_call(WAIT, ())))
    while not echo.began:
        await asyncio.sleep(0.001)
    writer.transport.abort()
    async with asyncio.timeout(5):
        while not echo.cancelled:
            await asyncio.sleep(0.001)


async def test_more_calls_than_it_takes_are_turned_away_at_once(listen: Listen) -> None:
    replica, echo = await listen(most_at_once=2)
    connection = await open_connection(replica)
    taken = [asyncio.create_task(connection.call(WAIT, ())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await connection.call(ECHO, ("a", 1))
    echo.go_on.set()
    assert await asyncio.gather(*taken) == ["done", "done"]
    assert await connection.call(ECHO, ("a", 1)) == ["a"]


@pytest.mark.parametrize("token", ["", "guessed"])
async def test_who_was_not_told_the_token_is_cut_off(listen: Listen, token: str) -> None:
    replica, echo = await listen()
    connection = await open_connection(replica._replace(token=token))
    with pytest.raises(ReplicaLost):
        await connection.call(WAIT, ())
    assert echo.began == 0


@pytest.mark.parametrize("first", [frame(Kind.CALL, 1, encode_call(WAIT, ())), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_who_does_not_say_hello_is_cut_off(listen: Listen, first: bytes) -> None:
    replica, echo = await listen()
    reader, writer = await asyncio.open_connection(replica.host, replica.port)
    writer.write(first)
    with pytest.raises(ConnectionError):
        await reader.read()
        raise ConnectionResetError  # closed without a reset is cut off too
    assert echo.began == 0


async def test_nobody_listening_is_a_lost_replica(listen: Listen, free_port: int) -> None:
    replica, _ = await listen()
    with pytest.raises(ReplicaLost):
        await open_connection(replica._replace(port=free_port))


async def test_a_retired_connection_closes_after_its_last_answer(listen: Listen) -> None:
    replica, echo = await listen()
    connection = await open_connection(replica)
    waiting = asyncio.create_task(connection.call(WAIT, ()))
    await asyncio.sleep(0)
    connection.retire()
    echo.go_on.set()
    assert await waiting == "done"
    with pytest.raises(ReplicaLost):
        await asyncio.sleep(0.01)
        await connection.call(ECHO, ("a", 1))


async def test_an_answer_of_another_type_is_not_taken(listen: Listen) -> None:
    async def numbers(text: str, times: int) -> Any:
        return [1, 2]

    connection = await open_connection((await listen(echo=numbers))[0])
    with pytest.raises(msgspec.ValidationError):
        await connection.call(ECHO, ("a", 1))


class Noting(NoTracer):
    """Keeps what it is told to trace."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str]] = []

    @contextmanager
    def span(self, name: str, parent: str, links: Any = (), attributes: Any = None) -> Iterator[Note]:
        self.spans.append((name, parent))
        yield lambda *_: None


async def test_a_call_made_in_a_span_is_answered_in_one_below_it_and_others_in_none() -> None:
    echo, tracer = Echo(), Noting()
    replica = await Listener({ECHO: echo.echo}, 8, tracer).start("127.0.0.1")
    connection = await open_connection(replica)
    await connection.call(ECHO, ("a", 1))
    token = CURRENT.set("00-1-2-01")
    assert await connection.call(ECHO, ("a", 1)) == ["a"]
    CURRENT.reset(token)
    await connection.call(ECHO, ("a", 1))
    assert tracer.spans == [("echo", "00-1-2-01")]
