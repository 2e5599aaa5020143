"""Processes that `fitwave up` starts: recorded before anything waits for them, stopped by pid and nothing else."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from libs.base.errors import DataError, TransientError

_POLL_S = 0.1
_LOG_TAIL = 2_000


@dataclass(frozen=True)
class Started:
    """One process of ours. A pid alone may be reused by the system; with its start time it is this process only."""

    component: str
    pid: int
    created: float
    address: str
    log: str

    def process(self) -> psutil.Process | None:
        """The living process, or None when it is gone or the pid is somebody else's by now."""
        try:
            process = psutil.Process(self.pid)
            alive = process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


class Record:
    """The list of what was started, on disk at every moment, so that a crash half-way can be cleaned up."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Started]:
        """What was started and not yet stopped."""
        if not self._path.exists():
            return []
        try:
            return [Started(**one) for one in json.loads(self._path.read_text(encoding="utf-8"))]
        except (json.JSONDecodeError, TypeError) as error:
            raise DataError(f"{self._path} is damaged: {error}. Stop the processes named in it by hand.") from error

    def write(self, started: Sequence[Started]) -> None:
        """Replace the list."""
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps([asdict(one) for one in started], indent=1), encoding="utf-8")
        draft.replace(self._path)

    def add(self, one: Started) -> None:
        """Remember one more process."""
        self.write([*self.read(), one])


def start(
    component: str, command: Sequence[str], environment: Mapping[str, str], address: str, log: Path, record: Record
) -> Started:
    """Start a process in a session of its own, with its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    one = Started(component, process.pid, psutil.Process(process.pid).create_time(), address, str(log))
    record.add(one)
    return one


def wait_until(one: Started, ready: Callable[[], bool], timeout_s: float) -> None:
    """Wait until a started process is ready.

    Raises:
        TransientError: it ended or is not ready in time; the message has the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        alive = one.process() is not None
        if not alive or time.monotonic() > deadline:
            tail = Path(one.log).read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
            what = f"is not ready after {timeout_s:g} s" if alive else "ended at once"
            raise TransientError(f"{one.component} {what}. The end of {one.log}:\n{tail}")
        time.sleep(_POLL_S)


def stop(one: Started, timeout_s: float) -> None:
    """Stop a process and its descendants: asked first, then killed. Gone already: nothing happens."""
    process = one.process()
    if process is None:
        return
    family = [*process.children(recursive=True), process]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=timeout_s)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=timeout_s)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on, as the system gives them out; never one of Ray's worker range."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


def require_free(host: str, port: int, setting: str) -> None:
    """Raises: TransientError: something listens on the port already."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise TransientError(
                f"port {port} ({setting}) on {host} is in use: stop what listens there, or set another port"
            ) from error
