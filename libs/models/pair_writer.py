"""One replica's side of the pair log: bounded buffers, and a thread that writes them.

What a replica expects is written ahead of its rows, with `at_risk`: how many pairs more it may begin before it says
so again. It says so early when half of these are used up, and at the end that it has closed. A replica that is killed
has not closed, so at most `at_risk` pairs are lost that nobody knows of, and those that were expected and are not there
are counted one by one.
"""

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from libs.features.lake import Lake
from libs.models.pair_log import SCHEMA, Counts, Pair, window_folder, write_counts, write_part

log = logging.getLogger(__name__)

# What is buffered is written after so long.
FLUSH_S = 2.0
# A replica with nothing to tell says that it lives.
_LIVES_S = 20.0
# What the log may hold before it sheds rows: about 50 MB.
_MAX_BUFFERED = 50_000
# Distinct customers counted for the sample ratio; beyond it the ratio is known well enough.
_MAX_COUNTED_CUSTOMERS = 100_000
# What a replica may begin in the first seconds of a window, when its traffic is not known yet.
_LEAST_AT_RISK = 32
# What is made at once holds the interpreter for less than a millisecond; then requests have their turn.
_MADE_AT_ONCE = 32
_CONVERTED_AT_ONCE = 256
_TURN_S = 0.0005

Rows = Callable[[], Sequence[Pair]]


@dataclass
class _Window:
    """Pairs on their way: `batches` of which rows can be made, `rows` that were, and `unwritten` ones, which are the
    next part and stay the same until it is written. `held`: all of them together.
    """

    batches: list[Rows] = field(default_factory=list)
    rows: list[Pair] = field(default_factory=list)
    unwritten: list[Pair] = field(default_factory=list)
    held: int = 0
    counts: Counts = field(default_factory=Counts)
    seen: set[str] = field(default_factory=set)
    parts: int = 0
    open: bool = True
    # What was last told: counts, until when that will do, and whether the window was closed.
    told: Counts = field(default_factory=Counts)
    tell_at: float = 0.0
    told_closed: bool = False
    at_risk: int = _LEAST_AT_RISK

    def begun(self) -> int:
        """Pairs begun since that was last told."""
        return self.counts.expected - self.told.expected


class PairLog:
    """One replica's writer. `flush` runs on a thread every `flush_s` seconds; a kill takes what is buffered."""

    def __init__(self, lake_uri: str, flush_s: float = FLUSH_S) -> None:
        self.flush_s = flush_s
        self._lake = Lake.open(lake_uri)
        self._replica = uuid.uuid4().hex[:12]
        self._windows: dict[tuple[str, str], _Window] = defaultdict(_Window)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set_windows(self, windows: Iterable[tuple[str, str]]) -> None:
        """Say which windows of which markets are open; the others are closed once their last rows are written."""
        wanted = set(windows)
        with self._lock:
            for key in wanted | self._windows.keys():
                state = self._windows[key]
                state.open = key in wanted
                if not state.open:
                    state.seen.clear()
        self._wake.set()

    def count_request(self, market: str, window: str, customer_id: str, sampled: bool) -> None:
        """Count a request of a market that has a challenger, at the moment the sample is decided."""
        with self._lock:
            state = self._windows[market, window]
            counts = state.counts
            counts.requests += 1
            if sampled:
                counts.expected += 1
                # Half is left for what is begun while this is being written.
                if state.begun() >= state.at_risk // 2 and not self._wake.is_set():
                    self._wake.set()
            if customer_id not in state.seen and len(state.seen) < _MAX_COUNTED_CUSTOMERS:
                state.seen.add(customer_id)
                counts.customers += 1
                counts.customers_sampled += sampled

    def add(self, market: str, window: str, number: int, rows: Rows) -> None:
        """Take so many rows for the next part, to be made when it is written: that is no work of the caller's.

        Over the buffer's bound they are dropped and counted.
        """
        with self._lock:
            state = self._windows[market, window]
            if state.held + number > _MAX_BUFFERED:
                state.counts.dropped += number
            else:
                state.held += number
                state.batches.append(rows)

    def flush(self) -> None:
        """Write counts, then what is buffered; rows whose write fails stay, as the same part, for the next time."""
        for _, state in self._known():
            self._make_rows(state)
        self._tell()
        for (market, window), state in self._known():
            if not state.unwritten:
                state.unwritten, state.rows = state.rows, []
            if state.unwritten:
                part = f"{window_folder(self._lake, market, window)}/part-{self._replica}-{state.parts:06d}"
                write_part(self._lake, part, as_table(state.unwritten))
                state.parts += 1
                with self._lock:
                    state.held -= len(state.unwritten)
                state.unwritten = []

    def close(self) -> None:
        """Stop the thread, write what is left, and say that nothing more comes."""
        self._ended.set()
        self._wake.set()
        self._thread.join()
        while any(state.held for _, state in self._known()):
            self.flush()
        self.set_windows([])
        self._tell()

    def _make_rows(self, state: _Window) -> None:
        with self._lock:
            batches, state.batches = state.batches, []
        made = 0
        for rows in batches:
            state.rows += rows()
            if len(state.rows) - made >= _MADE_AT_ONCE:
                made = len(state.rows)
                time.sleep(_TURN_S)

    def _tell(self) -> None:
        """Write the counts that have changed, and of open windows before anybody takes the replica for dead."""
        for (market, window), state in self._known():
            with self._lock:
                counts = Counts(**asdict(state.counts))
                closed = not state.open and not state.held
            same = counts == state.told and closed == state.told_closed
            if same and (closed or time.monotonic() < state.tell_at):
                continue
            folder = window_folder(self._lake, market, window)
            self._lake.filesystem.create_dir(folder, recursive=True)
            # More than twice what it was at most so far, or every other time would be an early one.
            at_risk = max(state.at_risk, 3 * (counts.expected - state.told.expected))
            said = asdict(counts) | {"at_risk": at_risk, "told_at": datetime.now(UTC).isoformat(), "closed": closed}
            write_counts(self._lake, f"{folder}/counts-{self._replica}", said)
            with self._lock:
                state.told, state.told_closed, state.at_risk = counts, closed, at_risk
                state.tell_at = time.monotonic() + _LIVES_S

    def _known(self) -> list[tuple[tuple[str, str], _Window]]:
        with self._lock:
            return list(self._windows.items())

    def _run(self) -> None:
        due, woken_by = time.monotonic() + self.flush_s, self._wake
        while not self._ended.is_set():
            woken_by.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            try:
                if time.monotonic() < due:
                    self._tell()
                else:
                    due = time.monotonic() + self.flush_s
                    self.flush()
                woken_by = self._wake
            except OSError:
                log.exception("the pair log could not be written; its rows are kept and tried again")
                # Not before it is due, however many requests come meanwhile.
                woken_by = self._ended


def as_table(rows: Sequence[Pair]) -> pa.Table:
    """The rows as Arrow's, a few at a time: whoever waits for the interpreter has it in between."""
    batches = []
    for start in range(0, len(rows), _CONVERTED_AT_ONCE):
        columns = zip(*rows[start : start + _CONVERTED_AT_ONCE], strict=True)
        arrays = [pa.array(column, one.type) for column, one in zip(columns, SCHEMA, strict=True)]
        batches.append(pa.record_batch(arrays, SCHEMA))
        time.sleep(_TURN_S)
    return pa.Table.from_batches(batches, SCHEMA)
