"""HAProxy as Ray starts it, and what is left of it when Ray is gone."""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from infra.stack.haproxy import haproxy_environment, stop_left_behind
from infra.stack.haproxy_config import Edge
from libs.base.environment import REPOSITORY

EDGE = Edge(host="127.0.0.1", at_once=128, waiting=16, max_body_bytes=262_144, timeout_s=5.0, connections=1_000)
RANGE = ("RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return haproxy_environment(tmp_path, EDGE, 9101)


def test_the_configuration_is_adapted_before_haproxy_reads_it(environment: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text("listen stats\n  bind *:8404\n    server SERVE_REPLICA_a 127.0.0.1:1\n")
    command = [environment["RAY_SERVE_HAPROXY_BINARY_PATH"], "-db", "-f", str(config), "-sf", "1"]
    echoing = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment, "FITWAVE_HAPROXY_BINARY": "/bin/echo"}
    ran = subprocess.run(command, env=echoing, capture_output=True, text=True)
    assert ran.stdout == f"-db -f {config} -sf 1\n"
    assert (
        config.read_text()
        == "listen stats\n  bind 127.0.0.1:8404\n    server SERVE_REPLICA_a 127.0.0.1:1 maxconn 128\n"
    )


def test_every_environment_has_files_and_ports_of_its_own(environment: dict[str, str], tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = haproxy_environment(other_folder, EDGE, 9102)
    own = [name for name in environment if name.endswith(("_PATH", "_LOC", "_BASE", "_FILE", "_PORT", "_PIDS"))]
    for name in ("RAY_SERVE_HAPROXY_BINARY_PATH", *RANGE):
        own.remove(name)
    assert len(own) == 10
    assert all(environment[name] != other[name] for name in own)


def test_replicas_of_two_clusters_never_have_the_same_port_one_after_the_other(tmp_path: Path) -> None:
    ranges = []
    with ExitStack() as replicas:
        for number in range(3):
            folder = tmp_path / "fw-same"
            folder.mkdir()
            found = haproxy_environment(folder, EDGE, metrics_port=9101)
            first, last = (int(found[name]) for name in RANGE)
            ranges.append(range(first, last + 1))
            # The first replica of each.
            replicas.enter_context(socket.socket()).bind(("127.0.0.1", first))
            folder.rename(tmp_path / str(number))
    assert len({port for ports in ranges for port in ports}) == 3 * 100


def test_what_outlived_ray_is_stopped_by_its_pid_and_nothing_else(environment: dict[str, str], tmp_path: Path) -> None:
    sleep = "import time; time.sleep(60)"
    left = subprocess.Popen([sys.executable, "-c", sleep, str(tmp_path / "haproxy.cfg")])
    foreign = subprocess.Popen([sys.executable, "-c", sleep])
    try:
        time.sleep(0.2)  # until the kernel shows the command lines
        Path(environment["FITWAVE_HAPROXY_PIDS"]).write_text(f"{left.pid}\n{foreign.pid}\n999999999\n")
        stop_left_behind(tmp_path)
        assert not psutil.pid_exists(left.pid)
        assert foreign.poll() is None
    finally:
        for process in (left, foreign):
            process.kill()
            process.wait()


def test_nothing_was_started_nothing_is_stopped(tmp_path: Path) -> None:
    stop_left_behind(tmp_path)
