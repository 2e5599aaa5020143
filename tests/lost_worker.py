"""Workers of Ray's that are killed while they work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def killed(name: str, when: Callable[[], bool], times: int) -> Iterator[list[int]]:
    """Meanwhile, as often as that, a process of Ray's of this name is killed as soon as it is time to."""
    ended = threading.Event()
    pids: list[int] = []

    def kill() -> None:
        while not ended.wait(0.05) and len(pids) < times:
            for process in psutil.process_iter(["name", "cmdline"]):
                if name in " ".join(process.info["cmdline"] or []) and process.pid not in pids and when():
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                        pids.append(process.pid)
                    break

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield pids
    finally:
        ended.set()
        killer.join()
