"""What Ray's template of HAProxy's configuration lets nobody choose: where it listens, and how much it lets through.

`python -m infra.stack.haproxy_config FILE` changes a file as Ray has written it, before HAProxy reads it.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from apps.serve.problems import MEDIA_TYPE, overloaded

_AT_ONCE, _WAITING = "FITWAVE_HAPROXY_REQUESTS_AT_ONCE", "FITWAVE_HAPROXY_REQUESTS_WAITING"

# By default HAProxy keeps no connection to a replica for the next request once callers' own are a quarter of what it
# may have open. A new one for every request costs the gateway half as much again, just when many ask.
_KEEP_CONNECTIONS = ("    tune.pool-low-fd-ratio 80", "    tune.pool-high-fd-ratio 90")


@dataclass(frozen=True)
class Limits:
    """`at_once`: the requests that one gateway replica is sent. `waiting`: how many may wait for a free one."""

    at_once: int
    waiting: int

    def to_process(self) -> dict[str, str]:
        """As environment variables of HAProxy's process."""
        return {_AT_ONCE: str(self.at_once), _WAITING: str(self.waiting)}

    @classmethod
    def of_process(cls) -> "Limits":
        return cls(int(os.environ[_AT_ONCE]), int(os.environ[_WAITING]))


def adapted(config: str, limits: Limits) -> str:
    """The configuration, bound to loopback and turning away what the gateway could not answer in time.

    HAProxy does that for some 20 microseconds of CPU time a request. The gateway needs twenty times as much, and at
    three times its capacity would do nothing else.
    """
    return "\n".join(part for line in config.split("\n") for part in _lines(line, limits))


def _lines(line: str, limits: Limits) -> list[str]:
    if bind := re.fullmatch(r"(\s*bind )\*?:(\d+.*)", line):
        return [f"{bind[1]}127.0.0.1:{bind[2]}"]
    if re.fullmatch(r"\s*log \S+ local0 info", line):
        return []  # a datagram for every request, to a port where nobody listens
    if re.fullmatch(r"\s*maxconn \d+", line):
        return [line, *_KEEP_CONNECTIONS]
    if re.match(r"\s*server SERVE_REPLICA_", line):
        return [f"{line} maxconn {limits.at_once}"]
    if route := re.fullmatch(r"(\s*)use_backend (\S+) if (.+)", line):
        indent, backend, condition = route.groups()
        return [*(indent + rule for rule in _turn_away(backend, condition, limits)), line]
    return [line]


def _turn_away(backend: str, condition: str, limits: Limits) -> list[str]:
    """Rules for questions; probes and metrics wait their turn."""
    full = f"{condition} {{ path_beg /v1/ }} {{ queue({backend}) ge {limits.waiting} }}"
    own_id = "{ req.hdr(X-Request-Id) -m reg ^[A-Za-z0-9._-]{1,64}$ }"
    problem = overloaded().response("%[var(txn.request_id)]")
    retry_after, body = problem.headers["Retry-After"], bytes(problem.body).decode()
    return [
        f"http-request set-var(txn.request_id) uuid() if {full}",
        f"http-request set-var(txn.request_id) req.hdr(X-Request-Id) if {full} {own_id}",
        f"http-request return status {problem.status_code} content-type {MEDIA_TYPE} hdr Retry-After {retry_after} "
        f"hdr X-Request-Id %[var(txn.request_id)] lf-string '{body}' if {full}",
    ]


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(adapted(path.read_text(encoding="utf-8"), Limits.of_process()), encoding="utf-8")
