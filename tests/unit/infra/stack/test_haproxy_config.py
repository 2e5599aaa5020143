"""What becomes of Ray's configuration of HAProxy; and HAProxy with it, before a replica that does not answer yet."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.stack.haproxy_config import Edge, adapted
from tests.haproxies import TEMPLATE, Proxy, haproxy

EDGE = Edge(host="127.0.0.1", at_once=1, waiting=1, max_body_bytes=262_144, timeout_s=5.0, connections=1_000)


def lines() -> list[str]:
    return [line.strip() for line in adapted(TEMPLATE, EDGE).splitlines()]


def test_nothing_is_bound_to_all_interfaces() -> None:
    binds = [line for line in lines() if line.startswith("bind")]
    assert binds == ["bind 127.0.0.1:9101", "bind 127.0.0.1:8000", "bind 127.0.0.1:8404"]
    assert "# bind :1 in a comment stays" in lines()


def test_only_shoppers_reach_another_address_than_loopback() -> None:
    of_shop = adapted(TEMPLATE, replace(EDGE, host="10.1.2.3")).splitlines()
    binds = [line.strip() for line in of_shop if line.strip().startswith("bind")]
    assert binds == ["bind 127.0.0.1:9101", "bind 10.1.2.3:8000", "bind 127.0.0.1:8404"]


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


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    Held.go_on.clear()
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Held)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    try:
        with haproxy(tmp_path, EDGE, backend.server_port) as proxy:
            yield proxy
    finally:
        Held.go_on.set()
        backend.shutdown()
        backend.server_close()


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
