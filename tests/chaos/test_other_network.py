"""From another network namespace nothing of an environment can be reached but its gateway."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which

import httpx
import psutil
import pytest

from infra.stack.processes import Record
from libs.base.endpoints import Endpoints, endpoints_file
from libs.base.environment import Environment
from tests.chaos.conftest import MARKET, until
from tests.environments import SMALL_MARKET, environment_in

_OURS, _THEIRS = "10.213.77.1", "10.213.77.2"
_INTERFACE = "fitwave-test0"
# Prints those ports of an address on which somebody answers.
_PROBE = """
import json, socket, sys
print(json.dumps([port for port in json.loads(sys.argv[2]) if not socket.socket().connect_ex((sys.argv[1], port))]))
"""


def _makes_networks() -> bool:
    made = ["ip", "link", "add", _INTERFACE, "type", "veth", "peer", "name", "far"]
    if which("ip") is None or which("nsenter") is None or subprocess.run(made, capture_output=True).returncode != 0:
        return False
    subprocess.run(["ip", "link", "delete", _INTERFACE], check=True)
    return True


def _network_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


@contextmanager
def other_network() -> Iterator[list[str]]:
    """A network namespace that a cable joins with this one; what a command in it begins with."""
    with subprocess.Popen(["unshare", "--net", "sleep", "3600"]) as sleeper:
        try:
            until(lambda: _network_of(sleeper.pid) != _network_of(os.getpid()))
            inside = ["nsenter", "--target", str(sleeper.pid), "--net"]
            cable = ["ip", "link", "add", _INTERFACE, "type", "veth", "peer", "name", "far", "netns", str(sleeper.pid)]
            for command in (
                cable,
                ["ip", "address", "add", f"{_OURS}/30", "dev", _INTERFACE],
                ["ip", "link", "set", _INTERFACE, "up"],
                [*inside, "ip", "address", "add", f"{_THEIRS}/30", "dev", "far"],
                [*inside, "ip", "link", "set", "far", "up"],
            ):
                subprocess.run(command, check=True)
            yield inside
        finally:
            sleeper.kill()  # and with the last process of its namespace the cable goes


@contextmanager
def running(environment: Environment, config: Path) -> Iterator[Endpoints]:
    """The environment as an operator starts and stops it."""
    fitwave = [str(Path(sys.prefix) / "bin" / "fitwave")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"FITWAVE_CONFIG": str(config), "FITWAVE_ENVIRONMENT": environment.name}
    try:
        subprocess.run([*fitwave, "up"], env=variables, check=True, capture_output=True)
        yield Endpoints.model_validate_json(endpoints_file(environment).read_text(encoding="utf-8"))
    finally:
        subprocess.run([*fitwave, "down"], env=variables, check=True, capture_output=True)


def ports(environment: Environment) -> set[int]:
    """Every port on which a process of the environment listens, on whatever address."""
    started = [one.process() for one in Record(environment.home / "stack.json").read()]
    family = [member for one in started if one for member in (one, *one.children(recursive=True))]
    heard = [connection for process in family for connection in process.net_connections("inet")]
    return {one.laddr.port for one in heard if one.status == psutil.CONN_LISTEN}


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.row(
    "27",
    "another network namespace probes Ray, Redis, MLflow and all else that listens; the Jobs API without a token",
    "only the gateway can be reached; 401",
)
@pytest.mark.skipif(not _makes_networks(), reason="needs the right to make network interfaces, and ip of iproute2")
def test_from_another_network_only_the_gateway_can_be_reached(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with ExitStack() as stack:
        inside = stack.enter_context(other_network())
        serving = {"gateway": {"host": _OURS}, "console": False}
        environment = environment_in(tmp_path, "edge", {MARKET: SMALL_MARKET}, {"serving": serving})
        endpoints = stack.enter_context(running(environment, tmp_path / "config"))
        listening = sorted(ports(environment))
        probe = [*inside, sys.executable, "-c", _PROBE, _OURS, json.dumps(listening)]
        reached = json.loads(subprocess.run(probe, check=True, capture_output=True, text=True).stdout)
        jobs = httpx.get(f"{endpoints.ray_dashboard_url}/api/jobs/", timeout=10).status_code
    figure(
        f"of {len(listening)} ports that listen {len(reached)} can be reached: "
        f"{'the gateway' if reached == [endpoints.gateway_port] else reached}; jobs without a token: {jobs}"
    )
    assert len(listening) > 10
    assert reached == [endpoints.gateway_port]
    assert jobs == 401
