"""What HAProxy answers by itself, and what it keeps from the gateway: the real one, before a real gateway."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from apps.serve.arrival import ARRIVED_HEADER
from infra.stack.haproxy_config import Edge
from tests.haproxies import Proxy, haproxy
from tests.served_gateway import ServedGateway, served_gateway

EDGE = Edge(host="127.0.0.1", at_once=8, waiting=8, max_body_bytes=262_144, timeout_s=1.0, connections=1_000)
PATH = "/v1/markets/de/size-recommendations"
QUESTION = json.dumps({"customer_id": "c", "article_ids": ["a"]}).encode()


@pytest.fixture(scope="module")
def gateway() -> Iterator[ServedGateway]:
    with served_gateway() as gateway:
        yield gateway


@pytest.fixture
def edge(gateway: ServedGateway, tmp_path: Path) -> Iterator[Proxy]:
    with haproxy(tmp_path, EDGE, gateway.port) as proxy:
        yield proxy


def headers(gateway: ServedGateway, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {gateway.key}", "Content-Type": "application/json", **more}


def problem(answer: http.client.HTTPResponse) -> tuple[int, str]:
    """A problem's status and type, once it is one in form."""
    document: dict[str, Any] = json.loads(answer.read())
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["status"] == answer.status
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", document["request_id"])
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return answer.status, document["type"]


@contextmanager
def connected(proxy: Proxy, sent: bytes) -> Iterator[socket.socket]:
    """A connection on which so much was sent."""
    with closing(socket.create_connection(("127.0.0.1", proxy.port), 10)) as connection:
        connection.sendall(sent)
        yield connection


def status_of(connection: socket.socket) -> int:
    """The status that is answered; 0 if the connection is closed without any."""
    try:
        received = connection.recv(65_536)
    except ConnectionError:
        return 0
    return int(received.split()[1]) if received else 0


@contextmanager
def replica(answer: bytes | None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers every connection so, None with an end of it; its port, and what it was sent."""
    sent: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    sent.append(connection.recv(65_536))
                    if answer is not None:
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], sent
        listener.shutdown(socket.SHUT_RDWR)


def test_a_question_goes_through_with_the_callers_id_or_one_of_the_edges(edge: Proxy, gateway: ServedGateway) -> None:
    for given, kept in (("shop-1", True), ("two words", False)):
        answer = edge.ask("POST", PATH, headers(gateway, **{"X-Request-Id": given}), QUESTION)
        assert answer.status == 200
        assert (json.loads(answer.read())["request_id"] == given) is kept


@pytest.mark.parametrize(
    ("path", "more", "expected"),
    [
        (PATH, {"X-Long": "x" * 20_000}, (431, "/problems/headers-too-large")),
        (PATH + "?" + "x" * 5_000, {}, (414, "/problems/url-too-long")),
        (PATH, {"Content-Length": "10485760"}, (413, "/problems/body-too-large")),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_sent(
    edge: Proxy, gateway: ServedGateway, path: str, more: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem(edge.ask("POST", path, headers(gateway, **more))) == expected


def test_the_edge_refuses_a_body_with_the_gateways_words(edge: Proxy, gateway: ServedGateway) -> None:
    asked = headers(gateway, **{"Content-Length": "262145", "X-Request-Id": "r"})
    at_the_edge = edge.ask("POST", PATH, asked)
    direct = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    direct.request("POST", PATH, headers=asked)
    assert at_the_edge.read() == direct.getresponse().read()


def test_more_headers_than_are_read_are_refused(edge: Proxy) -> None:
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(200))
    with connected(edge, b"GET /healthz HTTP/1.1\r\nHost: h\r\n" + many + b"\r\n") as connection:
        assert status_of(connection) == 400


def test_headers_that_do_not_arrive_in_time_end_the_connection(edge: Proxy) -> None:
    begin = time.monotonic()
    with connected(edge, b"GET /healthz HTTP/1.1\r\nHost: h\r\n") as connection:
        assert status_of(connection) == 408
    assert time.monotonic() - begin < 3


def test_a_body_that_does_not_arrive_in_time_is_told_so_and_reaches_no_gateway(tmp_path: Path) -> None:
    with replica(b"") as (port, sent), haproxy(tmp_path, EDGE, port) as proxy:
        answer = proxy.ask("POST", PATH, {"Content-Length": "10"}, b"{")
        assert problem(answer) == (408, "/problems/body-too-slow")
        assert sent == []


def test_an_idle_connection_is_closed(edge: Proxy) -> None:
    with connected(edge, b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n") as connection:
        connection.settimeout(10)
        assert status_of(connection) == 200
        while connection.recv(65_536):
            pass


def test_more_connections_of_one_address_than_may_be_are_closed(gateway: ServedGateway, tmp_path: Path) -> None:
    few = Edge(host="127.0.0.1", at_once=8, waiting=8, max_body_bytes=1_024, timeout_s=5.0, connections=3)
    with haproxy(tmp_path, few, gateway.port) as proxy, ExitStack() as stack:
        open_ones = [stack.enter_context(connected(proxy, b"")) for _ in range(3)]
        time.sleep(0.1)
        with pytest.raises(ConnectionError):
            proxy.ask("GET", "/healthz")
        open_ones[0].close()
        time.sleep(0.1)
        assert proxy.ask("GET", "/healthz").status == 200


def test_a_replica_that_ends_without_an_answer_is_followed_by_another(gateway: ServedGateway, tmp_path: Path) -> None:
    with replica(None) as (dying, sent), haproxy(tmp_path, EDGE, dying, gateway.port) as proxy:
        statuses = [proxy.ask("POST", PATH, headers(gateway), QUESTION).status for _ in range(6)]
        assert statuses == [200] * 6
        assert sent, "it was asked, too"
        assert all(one.endswith(QUESTION) for one in sent)


def test_a_replica_that_stands_still_is_followed_by_another_in_what_is_left_of_the_deadline(
    gateway: ServedGateway, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        still = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        proxy = stack.enter_context(haproxy(tmp_path, EDGE, still.getsockname()[1], gateway.port))
        begin = time.monotonic()
        statuses = [proxy.ask("POST", PATH, headers(gateway), QUESTION).status for _ in range(4)]
        assert statuses == [200] * 4
        assert EDGE.timeout_s / 2 < time.monotonic() - begin < 4 * EDGE.timeout_s


def test_what_somebody_does_in_the_console_is_not_done_twice(tmp_path: Path) -> None:
    with replica(None) as (one, sent), replica(None) as (other, too), haproxy(tmp_path, EDGE, one, other) as proxy:
        lost = proxy.ask("POST", "/console/markets/de/rollback", {}, b"")
        assert problem(lost) == (502, "/problems/gateway-lost")
        assert len(sent) + len(too) == 1


def test_a_question_says_when_it_came_whatever_its_caller_says(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with replica(answer) as (port, sent), haproxy(tmp_path, EDGE, port) as proxy:
        assert proxy.ask("POST", PATH, {ARRIVED_HEADER: "1"}, QUESTION).status == 200
        [said] = re.findall(rb"(?i)%s: (\d+)" % ARRIVED_HEADER.encode(), sent[0])
        assert abs(time.time() - int(said) / 1_000) < 5


def test_what_no_replica_answers_is_called_what_it_is(tmp_path: Path) -> None:
    with replica(b"no HTTP at all\r\n\r\n") as (port, _), haproxy(tmp_path, EDGE, port) as proxy:
        assert problem(proxy.ask("POST", PATH, {}, QUESTION)) == (502, "/problems/gateway-lost")
    with haproxy(tmp_path, EDGE, port) as proxy:
        away = proxy.ask("POST", PATH, {"X-Request-Id": "shop-1"}, QUESTION)
        assert (away.headers["Retry-After"], away.headers["X-Request-Id"]) == ("1", "shop-1")
        assert problem(away) == (503, "/problems/gateway-away")
    with socket.create_server(("127.0.0.1", 0)) as silent, haproxy(tmp_path, EDGE, silent.getsockname()[1]) as proxy:
        assert problem(proxy.ask("POST", PATH, {}, QUESTION)) == (504, "/problems/deadline-exceeded")


@pytest.mark.row(
    "23a",
    "1 MiB of headers, 10 MiB body, 200 slow connections, deep JSON, at the edge",
    "4xx or closed; others are answered",
)
def test_hostile_requests_are_refused_and_others_are_answered(
    edge: Proxy, gateway: ServedGateway, figure: Callable[[str], None]
) -> None:
    def ask() -> tuple[int, float]:
        begin = time.perf_counter()
        status = edge.ask("POST", PATH, headers(gateway), QUESTION).status
        return status, 1_000 * (time.perf_counter() - begin)

    head = b"POST %s HTTP/1.1\r\nHost: h\r\n" % PATH.encode()
    slow = (head, head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(edge, slow[number % 2])) for number in range(200)]
        others = [ask() for _ in range(50)]
        found = {"200 slow connections": {status_of(one) for one in connections}}
    with connected(edge, b"") as connection:
        with suppress(ConnectionError):
            connection.sendall(head + b"X-Long: " + b"x" * 2**20 + b"\r\n\r\n")
        found["1 MiB of headers"] = {status_of(connection)}
    found["10 MiB body"] = {edge.ask("POST", PATH, headers(gateway, **{"Content-Length": str(10 * 2**20)})).status}
    found["deep JSON"] = {edge.ask("POST", PATH, headers(gateway), b"[" * 100_000).status}
    others += [ask() for _ in range(10)]
    answered = sum(status == 200 for status, _ in others)
    figure(", ".join(f"{what}: {' '.join(map(str, sorted(statuses)))}" for what, statuses in found.items()))
    figure(f"{answered} of {len(others)} others answered, in {max(took_ms for _, took_ms in others):.0f} ms at most")
    assert all(status == 0 or 400 <= status < 500 for statuses in found.values() for status in statuses)
    assert answered == len(others)
