"""One of three nodes is lost while shoppers ask."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest
import ray

from infra.stack.processes import free_port
from libs.models import serve_api
from tests.chaos.conftest import DEPLOYMENTS, Live, until
from tests.chaos.load import loaded
from tests.chaos.test_killed_replicas import sleep_until

_THREE = 3
# As `ray start` does it, which refuses a second node on loopback.
_NODE = """
import signal, sys
from ray._private.node import Node
from ray._private.parameter import RayParams
address, agent_port = sys.argv[1:]
Node(
    RayParams(
        gcs_address=address, node_ip_address="127.0.0.1", num_cpus=4, object_store_memory=100_000_000,
        dashboard_agent_listen_port=int(agent_port), min_worker_port=0, max_worker_port=0, node_manager_port=0,
    ),
    head=False, shutdown_at_exit=False, spawn_reaper=False,
)
signal.pause()
"""


@contextmanager
def node(live: Live) -> Iterator["subprocess.Popen[bytes]"]:
    """One more node of the cluster, alive, on this machine, with everything that its head has inherited.

    Nodes start one after the other: two at once would take the same names for their sockets.
    """
    head, before = live.process("ray"), alive()
    log = live.environment.home / "logs" / "node.log"
    command = [sys.executable, "-c", _NODE, live.endpoints.ray_address, str(free_port())]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=head.environ(), stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: alive() > before or process.poll() is not None)
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield process
    finally:
        for one in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
            with suppress(psutil.NoSuchProcess):  # the lost raylet's processes end by themselves
                one.kill()
        process.kill()
        process.wait()


def nodes(live: Live) -> dict[str, list[tuple[str, int]]]:
    """The replicas that run, by the node they are on."""
    found: dict[str, list[tuple[str, int]]] = {}
    deployments = serve_api.status(live.endpoints)["applications"]["fitwave-test"]["deployments"]
    for name, deployment in deployments.items():
        for one in deployment["replicas"]:
            if one["state"] == "RUNNING":
                found.setdefault(one["node_id"], []).append((name, one["pid"]))
    return found


def alive() -> int:
    """How many nodes the cluster has."""
    return sum(one["Alive"] for one in ray.nodes())


def raylet_of(process: "subprocess.Popen[bytes]") -> psutil.Process:
    [raylet] = [one for one in psutil.Process(process.pid).children(recursive=True) if one.name() == "raylet"]
    return raylet


@pytest.mark.timeout(400, func_only=True)
@pytest.mark.row("5", "one of 3 nodes is lost ungracefully under L", "0 failures; capacity back <= 30 s")
def test_a_lost_node_fails_no_question_and_its_replicas_come_up_elsewhere(
    live: Live, figure: Callable[[str], None]
) -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(node(live)) for _ in range(_THREE - 1)]
        stack.callback(live.scale, 2)
        live.scale(_THREE)
        until(lambda: sum(map(len, nodes(live).values())) == _THREE * len(DEPLOYMENTS))
        before = nodes(live)
        lost = raylet_of(others[0])
        of_lost = {child.pid for child in lost.children(recursive=True)}
        gone = [name for replicas in before.values() for name, pid in replicas if pid in of_lost]
        with loaded(live.plan) as load:
            sleep_until(load, 10)
            begin = time.monotonic()
            os.kill(lost.pid, signal.SIGKILL)
            until(lambda: all(len(set(live.pids(name)) - of_lost) == _THREE for name in DEPLOYMENTS))
            took = time.monotonic() - begin
    figure(f"{load}; {len(live.wrong(load))} wrong; {', '.join(sorted(gone))} were on it, back after {took:.1f} s")
    assert len(before) == _THREE
    assert gone
    assert load.failed == []
    assert live.wrong(load) == []
    assert took <= 30.0
