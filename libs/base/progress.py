"""How far a long step is: bars for who watches a terminal, now and then a plain line for a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

# So many more rows are done.
Advance = Callable[[float], None]

_EVERY_S = 10.0


class Progress(Protocol):
    """Whom to tell."""

    def step(self, name: str, rows: float) -> AbstractContextManager[Advance]:
        """A step of so many rows, for the length of a `with` block."""
        ...


class Silent:
    """Tells nobody."""

    @contextmanager
    def step(self, name: str, rows: float) -> Iterator[Advance]:
        """See `Progress`."""
        yield _tell_nobody


def _tell_nobody(more: float) -> None:
    """See `Advance`."""


class Lines:
    """One line every ten seconds, for a log; a step that is over sooner says nothing."""

    def __init__(self, notify: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._notify = notify
        self._now = now

    @contextmanager
    def step(self, name: str, rows: float) -> Iterator[Advance]:
        """See `Progress`."""
        began = last = self._now()
        done = 0.0

        def advance(more: float) -> None:
            nonlocal done, last
            done += more
            now = self._now()
            if now - last >= _EVERY_S and done:
                last = now
                pace = done / (now - began)
                left = max(0.0, rows - done) / pace
                self._notify(f"{name}: {done:,.0f} of {rows:,.0f} rows, {pace:,.0f} rows/s, {left:,.0f} s left")

        yield advance


class Bars:
    """A bar in a terminal, with rows a second and the time left; gone when the step is over."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, name: str, rows: float) -> Iterator[Advance]:
        """See `Progress`."""
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), _Pace(), TimeRemainingColumn())
        with RichProgress(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(name, total=rows)
            yield lambda more: bars.advance(task, more)


class _Pace(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f} rows/s")


def progress_on(console: Console) -> Progress:
    """Bars where somebody watches, lines where not."""
    return Bars(console) if console.is_terminal else Lines(console.log)
