"""How far a training is, seen from outside: markets that are done, and rounds of those that are not."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from libs.base.progress import Progress
from libs.models.assignment import Assignment
from libs.models.checkpoint import rounds_done

_LOOK_EVERY_S = 1.0


@contextmanager
def told_of(assignments: Sequence[Assignment], progress: Progress) -> Iterator[None]:
    """Meanwhile, tell how many of these markets' lines have been learned."""
    with progress.step("train", sum(one.lines for one in assignments)) as advance:
        ended, known = threading.Event(), 0.0

        def watch() -> None:
            nonlocal known
            while not ended.wait(_LOOK_EVERY_S):
                learned = sum(map(_learned, assignments))
                advance(max(0.0, learned - known))
                known = max(known, learned)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _learned(assignment: Assignment) -> float:
    if assignment.done:
        return assignment.lines
    return assignment.lines * rounds_done(assignment.checkpoint) / assignment.market.training.rounds
