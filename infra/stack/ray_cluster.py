"""The Ray cluster of one machine: loopback only, guarded by a token."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.stack.haproxy import haproxy_environment, stop_left_behind
from infra.stack.haproxy_config import Edge
from infra.stack.process_settings import process_settings
from infra.stack.processes import Record, Started, free_port, start, wait_until
from libs.base.endpoints import LOOPBACK_SWITCH
from libs.base.environment import REPOSITORY
from libs.base.errors import TransientError

_READY_S = 90.0
_SERVE_STOP_S = 25.0
_STATUS_S = 5.0
_OBJECT_STORE_BYTES = 1_000_000_000
# Logical CPUs: replicas reserve tenths that are mostly idle, so there are some more than the machine has; each idle
# one costs a worker process at every driver's start, so there are not many more.
_LOGICAL_CPUS = max(4, (os.cpu_count() or 1) + 2)


@dataclass(frozen=True)
class RayAddresses:
    """Where the cluster answers."""

    gcs: str
    dashboard: str
    token: Path
    haproxy_metrics_port: int


def start_ray(home: Path, edge: Edge, record: Record) -> RayAddresses:
    """Start a head node; returns when it is alive.

    Ray gives its own node 30 s to register, which a busy machine may miss, and ends: it is then started once more, with
    what it needs already in memory.

    Raises:
        TransientError: it ended twice, or is not alive in time; the message has the end of its log.
    """
    started, addresses = _start(home, edge, record)
    try:
        wait_until(started, lambda: node_is_alive(addresses.dashboard, addresses.token), _READY_S)
    except TransientError:
        if started.process() is not None:
            raise
        clear_temp_dir(home)
        started, addresses = _start(home, edge, record)
        wait_until(started, lambda: node_is_alive(addresses.dashboard, addresses.token), _READY_S)
    return addresses


def _start(home: Path, edge: Edge, record: Record) -> tuple[Started, RayAddresses]:
    token = token_file(home)
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="utf-8")
    gcs, dashboard, agent, client, haproxy = (free_port() for _ in range(5))
    temp_dir = _temp_dir(home)
    command = [
        *(str(Path(sys.prefix) / "bin" / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={gcs}", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"),
        *(f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"),
        *(f"--ray-client-server-port={client}", "--min-worker-port=0", "--max-worker-port=0"),
        *(f"--temp-dir={temp_dir}", f"--num-cpus={_LOGICAL_CPUS}"),
        f"--object-store-memory={_OBJECT_STORE_BYTES}",
    ]
    addresses = RayAddresses(f"127.0.0.1:{gcs}", f"http://127.0.0.1:{dashboard}", token, haproxy)
    variables = _environment(token, temp_dir, edge, haproxy)
    return start("ray", command, variables, addresses.dashboard, home / "logs" / "ray.log", record), addresses


def token_file(home: Path) -> Path:
    """Where an environment keeps the token that its cluster asks for; made once."""
    return home / "ray-token"


def _environment(token: Path, temp_dir: Path, edge: Edge, haproxy_metrics_port: int) -> dict[str, str]:
    """What every process of the cluster inherits."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        LOOPBACK_SWITCH: "0",
        # What libraries leave behind in the temporary folder goes when Ray's goes.
        "TMPDIR": str(temp_dir),
        # Serve is shut down before Ray: draining again on SIGTERM would only wait out its 30 s.
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        **process_settings(),
        **{name: os.environ[name] for name in ("OMP_WAIT_POLICY",) if name in os.environ},
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])),
        **haproxy_environment(temp_dir, edge, haproxy_metrics_port),
    }


def _temp_dir(home: Path) -> Path:
    """A short folder for Ray's sockets, whose paths may have 107 bytes; linked from the environment's home."""
    folder = Path(tempfile.mkdtemp(prefix="fw-"))
    link = home / "ray"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    return folder


def node_is_alive(dashboard: str, token: Path | None) -> bool:
    """Whether the dashboard takes our token and knows of a living node: it answers some time before there is one."""
    try:
        answer = httpx.get(f"{dashboard}/api/v0/nodes", headers=_bearer(token), timeout=_STATUS_S)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and any(
        node["state"] == "ALIVE" for node in answer.json()["data"]["result"]["result"]
    )


def stop_serve(dashboard: str, token: Path | None) -> None:
    """Shut Serve down and wait until it is; a dashboard that is gone has no Serve to stop."""
    url = f"{dashboard}/api/serve/applications/"
    try:
        httpx.delete(url, headers=_bearer(token), timeout=_SERVE_STOP_S)
        deadline = time.monotonic() + _SERVE_STOP_S
        while time.monotonic() < deadline:
            if not httpx.get(url, headers=_bearer(token), timeout=5).json().get("applications"):
                return
            time.sleep(0.2)
    except httpx.HTTPError:
        return


def clear_temp_dir(home: Path) -> None:
    """Remove Ray's folder, once its processes are gone, and stop what outlived them; the latest run's logs are kept."""
    link = home / "ray"
    if not link.is_symlink():
        return
    folder = link.resolve()
    stop_left_behind(folder)
    kept = home / "logs" / "ray"
    shutil.rmtree(kept, ignore_errors=True)
    if (folder / "session_latest" / "logs").is_dir():
        shutil.copytree(folder / "session_latest" / "logs", kept, ignore_dangling_symlinks=True)
    shutil.rmtree(folder, ignore_errors=True)
    link.unlink()


def _bearer(token: Path | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.read_text(encoding='utf-8')}"} if token and token.exists() else {}
