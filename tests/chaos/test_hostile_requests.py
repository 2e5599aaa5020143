"""Requests that are too large, too deep or too slow, while shoppers ask."""

import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from tests.chaos.conftest import Live
from tests.chaos.load import SECONDS, loaded

_SLOW = 200
_MIB = 2**20


def _head(live: Live, *more: str) -> bytes:
    lines = [
        f"POST /v1/markets/{live.plan.market}/size-recommendations HTTP/1.1",
        f"Host: {urlsplit(live.plan.url).netloc}",
        f"Authorization: Bearer {live.plan.key}",
        "Content-Type: application/json",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n"


def _sent(live: Live, content: bytes) -> int:
    """The status that so many bytes get; 0 where the connection is closed."""
    address = urlsplit(live.plan.url)
    with closing(socket.create_connection((str(address.hostname), int(address.port or 80)), 10)) as connection:
        with suppress(ConnectionError):
            connection.sendall(content)
        return _status(connection)


def _status(connection: socket.socket) -> int:
    try:
        received = connection.recv(65_536)
    except ConnectionError:
        return 0
    return int(received.split()[1]) if received else 0


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row(
    "23",
    "1 MiB of headers, 10 MiB of body, deep JSON, 200 slow connections, under L",
    "4xx or closed; gateways' memory <= + 50 MiB; 0 failures of L",
)
def test_hostile_requests_harm_nobody_else(live: Live, figure: Callable[[str], None]) -> None:
    deep = b"[" * 200_000
    hostile = {
        "headers": _head(live, "X-Long: " + "x" * _MIB) + b"\r\n",
        "body": _head(live, f"Content-Length: {10 * _MIB}") + b"\r\n" + b"x" * 10 * _MIB,
        "deep": _head(live, f"Content-Length: {len(deep)}") + b"\r\n" + deep,
    }
    gateways = [psutil.Process(pid) for pid in live.pids("Gateway")]
    address = urlsplit(live.plan.url)
    before = sum(one.memory_info().rss for one in gateways)
    most, statuses = before, Counter[tuple[str, int]]()
    with loaded(live.plan) as load, ExitStack() as stack:
        slow = []
        for number in range(_SLOW):
            connection = socket.create_connection((str(address.hostname), int(address.port or 80)), 10)
            slow.append(stack.enter_context(closing(connection)))
            connection.sendall(_head(live, "Content-Length: 100") + (b"\r\n{" if number % 2 else b""))
        while time.time() < load.began + SECONDS - 10:
            statuses.update((name, _sent(live, content)) for name, content in hostile.items())
            most = max(most, sum(one.memory_info().rss for one in gateways))
            time.sleep(0.5)
        statuses.update(("slow", _status(one)) for one in slow)
    grown = (most - before) / _MIB
    told = ", ".join(f"{name} {status or 'closed'}: {count}" for (name, status), count in sorted(statuses.items()))
    figure(f"{load}; {len(live.wrong(load))} wrong; {told}; gateways {grown:+.0f} MiB at most")
    assert all(status == 0 or 400 <= status < 500 for _, status in statuses)
    assert load.failed == []
    assert live.wrong(load) == []
    assert grown <= 50
