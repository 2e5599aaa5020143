"""HAProxy as Ray starts it, and what is left of it when Ray is gone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.stack.haproxy import haproxy_environment, stop_left_behind
from infra.stack.haproxy_config import Limits
from libs.base.environment import REPOSITORY

LIMITS = Limits(at_once=128, waiting=16)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return haproxy_environment(tmp_path, LIMITS)


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
    other = haproxy_environment(other_folder, LIMITS)
    own = [name for name in environment if name.endswith(("_PATH", "_LOC", "_BASE", "_FILE", "_PORT", "_PIDS"))]
    own.remove("RAY_SERVE_HAPROXY_BINARY_PATH")
    assert len(own) == 8
    assert all(environment[name] != other[name] for name in own)


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
