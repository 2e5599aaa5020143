"""What Ray's template of HAProxy's configuration lets nobody choose: where it listens, how much it lets through, and
what it answers by itself.

`python -m infra.stack.haproxy_config FILE` changes a file as Ray has written it, before HAProxy reads it.

NOTE: what is no HTTP, has more headers than it reads, or does not send them in time is answered by HAProxy's parser,
400 or 408 in HTML: it takes no other words.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.serve.arrival import ARRIVED_HEADER
from apps.serve.problems import MEDIA_TYPE, Kind, Problem, body_too_large, body_too_slow, overloaded

# HAProxy waits for this process at each change of replicas: it is not to import what reads config.
if TYPE_CHECKING:
    from libs.base.environment import Gateway

_EDGE = "FITWAVE_HAPROXY_EDGE"
_A_QUESTION = "{ path_beg /v1/ }"
# Of the deadline: so long a gateway may be silent before another one is asked.
_PATIENCE = 0.5
# A question's URL and headers have some hundred bytes; tokens and traces some thousand.
_URL_BYTES, _HEADER_BYTES, _HEADERS = 4_096, 16_384, 64

# By default HAProxy keeps no connection to a replica for the next request once callers' own are a quarter of what it
# may have open. A new one for every request costs the gateway half as much again, just when many ask.
_KEEP_CONNECTIONS = ("    tune.pool-low-fd-ratio 80", "    tune.pool-high-fd-ratio 90")


@dataclass(frozen=True)
class Edge:
    """`host`: the address that shoppers reach. `at_once`: the requests that one gateway replica is sent.

    `waiting`: how many may wait for a free one. `timeout_s`: how long headers, and then the body, may take.
    `connections`: how many one address may have open.
    """

    host: str
    at_once: int
    waiting: int
    max_body_bytes: int
    timeout_s: float
    connections: int

    @classmethod
    def of(cls, gateway: "Gateway", host: str) -> "Edge":
        """An environment's, on this address."""
        return cls(
            host,
            gateway.max_requests_at_once,
            gateway.max_requests_queued,
            gateway.max_body_bytes,
            gateway.timeout_s,
            gateway.max_connections_per_address,
        )

    def to_process(self) -> dict[str, str]:
        """As an environment variable of HAProxy's process."""
        return {_EDGE: json.dumps(asdict(self))}

    @classmethod
    def of_process(cls) -> "Edge":
        return cls(**json.loads(os.environ[_EDGE]))


def adapted(config: str, edge: Edge) -> str:
    """The configuration, all but the edge bound to loopback, turning away what the gateway would not answer in time.

    HAProxy does that for some 20 microseconds of CPU time a request. The gateway needs twenty times as much, and at
    three times its capacity would do nothing else.
    """
    return "\n".join(_adapted_lines(config.split("\n"), edge))


def _adapted_lines(lines: list[str], edge: Edge) -> Iterator[str]:
    section = ""
    for line in lines:
        if line and not line[0].isspace():
            section = line
        if section == "frontend http_frontend" and (bind := re.fullmatch(r"(\s*bind )\S+:(\d+.*)", line)):
            yield f"{bind[1]}{edge.host}:{bind[2]}"
            yield from (f"    {rule}" for rule in _first_rules(edge))
        else:
            yield from _lines(line, edge)
        if line.startswith("backend "):
            yield from (f"    {rule}" for rule in _once_more(edge))
        if line == "defaults":
            yield from (f"    {rule}" for rule in _defaults(edge))


def _lines(line: str, edge: Edge) -> list[str]:
    if bind := re.fullmatch(r"(\s*bind )\*?:(\d+.*)", line):
        return [f"{bind[1]}127.0.0.1:{bind[2]}"]
    if re.fullmatch(r"\s*log \S+ local0 info", line):
        return []  # a datagram for every request, to a port where nobody listens
    if re.fullmatch(r"\s*errorfile \d+ \S+", line):
        return []  # Ray calls 502, 503 and 504 an internal error
    if re.fullmatch(r"\s*maxconn \d+", line):
        return [line, f"    tune.http.maxhdr {_HEADERS}", *_KEEP_CONNECTIONS]
    if re.match(r"\s*server SERVE_REPLICA_", line):
        return [f"{line} maxconn {edge.at_once}"]
    if route := re.fullmatch(r"(\s*)use_backend (\S+) if (.+)", line):
        indent, backend, condition = route.groups()
        return [f"{indent}{_turn_away(backend, condition, edge)}", line]
    return [line]


def _defaults(edge: Edge) -> list[str]:
    """How long headers may take, and what HAProxy says where it finds no other answer."""
    problems = [
        body_too_slow(edge.timeout_s),
        Problem(Kind.GATEWAY_LOST, "What was to answer is gone. Try again."),
        Problem(Kind.GATEWAY_AWAY, "What answers is away for the moment. Try again."),
        Problem(Kind.DEADLINE_EXCEEDED, "The gateway did not answer. Try again."),
    ]
    return [f"timeout http-request {_ms(edge)}", *(f"http-error {_answer(problem)}" for problem in problems)]


def _first_rules(edge: Edge) -> list[str]:
    """Rules before all others. They hold a request until its body is there: one that trickles takes no replica's place.

    Of a body that is longer than HAProxy's buffer the gateway awaits the rest.
    """
    own_id = "{ req.hdr(X-Request-Id) -m reg ^[A-Za-z0-9._-]{1,64}$ }"
    long_url = Problem(Kind.URL_TOO_LONG, f"The URL is longer than {_URL_BYTES} bytes. /docs shows what there is.")
    headers = Problem(Kind.HEADERS_TOO_LARGE, f"The headers are longer than {_HEADER_BYTES} bytes. Send fewer.")
    return [
        "stick-table type ipv6 size 100k expire 1m store conn_cur",
        "tcp-request connection track-sc0 src",
        f"tcp-request connection reject if {{ sc0_conn_cur gt {edge.connections} }}",
        f"http-request set-header X-Request-Id %[uuid()] unless {own_id}",
        "http-request set-var(txn.request_id) req.hdr(X-Request-Id)",
        f"http-request return {_answer(headers)} if {{ req.hdrs,length gt {_HEADER_BYTES} }}",
        f"http-request return {_answer(long_url)} if {{ url,length gt {_URL_BYTES} }}",
        f"http-request return {_answer(body_too_large(edge.max_body_bytes))} "
        f"if {{ req.body_size gt {edge.max_body_bytes} }}",
        f"http-request wait-for-body time {_ms(edge)} if METH_POST",
        f"http-request set-header {ARRIVED_HEADER} %[date(0,ms)] if {_A_QUESTION}",
    ]


def _once_more(edge: Edge) -> list[str]:
    """When another replica is asked: while there is time left for it, and not for what is done in the console."""
    return [
        f"http-request set-timeout server {_ms(edge, _PATIENCE)} if {_A_QUESTION}",
        f"http-request disable-l7-retry unless {_A_QUESTION}",
    ]


def _turn_away(backend: str, condition: str, edge: Edge) -> str:
    """A rule for questions; probes and metrics wait their turn."""
    full = f"{condition} {_A_QUESTION} {{ queue({backend}) ge {edge.waiting} }}"
    return f"http-request return {_answer(overloaded())} if {full}"


def _answer(problem: Problem) -> str:
    """A problem as HAProxy's rules say it, with the id of the request that has it."""
    request_id = "%[var(txn.request_id)]"
    headers = {**problem.headers, "X-Request-Id": request_id}
    told = " ".join(f"hdr {name} {value}" for name, value in headers.items())
    response = problem.response(request_id)
    return f"status {response.status_code} content-type {MEDIA_TYPE} {told} lf-string '{bytes(response.body).decode()}'"


def _ms(edge: Edge, share: float = 1.0) -> str:
    return f"{round(1_000 * edge.timeout_s * share)}ms"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(adapted(path.read_text(encoding="utf-8"), Edge.of_process()), encoding="utf-8")
