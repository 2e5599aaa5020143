"""The memory of an installation's processes together, sampled while something runs."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# Looking at all of it takes the kernel some 50 ms.
_EVERY_S = 2.0


@contextmanager
def peak_gib(home: Path) -> Iterator[list[float]]:
    """A list whose one number is, afterwards, the most that this process and all processes of the installation had.

    Counted is the proportional share of what processes share with others: Ray's object store is in it once.
    """
    peak, stop = [0.0], threading.Event()

    def sample() -> None:
        while not stop.wait(_EVERY_S):
            peak[0] = max(peak[0], sum(map(_gib, _family(home))))

    watch = threading.Thread(target=sample, daemon=True)
    watch.start()
    try:
        yield peak
    finally:
        stop.set()
        watch.join()


def _family(home: Path) -> list[psutil.Process]:
    from infra.stack.processes import Record

    started = [one.process() for one in Record(home / "stack.json").read()]
    roots = [psutil.Process(os.getpid()), *(one for one in started if one)]
    return list({one for root in roots for one in (root, *root.children(recursive=True))})


def _gib(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**30
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0  # it ended meanwhile
