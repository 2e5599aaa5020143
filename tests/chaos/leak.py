"""A leak in one process of the cluster. A package is data and cannot leak: this stands in for a bug in a library."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WISHES = "CHAOS_LEAKS"
# Every process of the cluster imports this when it starts, and looks twice a second for a file of its own pid.
_PROGRAM = f"""
import os, threading, time

def leak(folder, kept):
    while True:
        time.sleep(0.5)
        if os.path.exists(os.path.join(folder, str(os.getpid()))):
            kept.append(os.urandom(40_000_000))

threading.Thread(target=leak, args=(os.environ["{_WISHES}"], []), daemon=True).start()
"""


def leaky(folder: Path) -> dict[str, str]:
    """The environment variables of processes that leak when they are told to."""
    (folder / "sitecustomize.py").write_text(_PROGRAM, encoding="utf-8")
    return {_WISHES: str(folder), "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


@contextmanager
def leaking(folder: Path, pid: int) -> Iterator[None]:
    """Meanwhile a process of the cluster takes 80 MB more each second."""
    wish = folder / str(pid)
    wish.touch()
    try:
        yield
    finally:
        wish.unlink()
