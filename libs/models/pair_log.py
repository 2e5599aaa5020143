"""The pair log: what champion and challenger answered to the same request, as Parquet in the lake.

Rows are buffered and written as parts of `<lake>/_pairs/market=<m>/window=<w>/`. Every replica also leaves its counts
of what it meant to mirror, so that rows that were lost are missed and not overlooked.
"""

import json
import logging
import threading
import uuid
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from libs.features.lake import Lake

log = logging.getLogger(__name__)

COMPLETE, ERROR, TIMEOUT, SHED = "complete", "error", "timeout", "shed"

SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("customer", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("champion_version", pa.string()),
        ("challenger_version", pa.string()),
        ("outcome", pa.string()),
        ("article_ids", pa.list_(pa.string())),
        ("champion_sizes", pa.list_(pa.string())),
        ("challenger_sizes", pa.list_(pa.string())),
        ("champion_confidences", pa.list_(pa.float64())),
        ("challenger_confidences", pa.list_(pa.float64())),
        ("champion_s", pa.float64()),
        ("challenger_s", pa.float64()),
        ("champion_batch", pa.int32()),
        ("challenger_batch", pa.int32()),
        ("slices", pa.list_(pa.string())),
    ]
)

# What is buffered is written after so long.
FLUSH_S = 2.0
# What the log may hold before it sheds rows: about 50 MB.
_MAX_BUFFERED = 50_000
# Distinct customers counted for the sample ratio; beyond it the ratio is known well enough.
_MAX_COUNTED_CUSTOMERS = 100_000


@dataclass
class Counts:
    """What one replica did in one window: requests seen, those it meant to mirror, rows it could not keep."""

    requests: int = 0
    expected: int = 0
    dropped: int = 0
    customers: int = 0
    customers_sampled: int = 0


@dataclass
class _Window:
    rows: list[dict[str, Any]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    seen: set[str] = field(default_factory=set)
    parts: int = 0


class PairLog:
    """One replica's writer. `flush` runs on a thread every `flush_s` seconds; what is buffered is lost with it."""

    def __init__(self, lake_uri: str, flush_s: float = FLUSH_S) -> None:
        self._lake = Lake.open(lake_uri)
        self._replica = uuid.uuid4().hex[:12]
        self._windows: dict[tuple[str, str], _Window] = defaultdict(_Window)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._flush_forever, args=(flush_s,), daemon=True)
        self._thread.start()

    def count_request(self, market: str, window: str, customer_id: str, sampled: bool) -> None:
        """Count a request of a market that has a challenger, at the moment the sample is decided."""
        with self._lock:
            state = self._windows[market, window]
            state.counts.requests += 1
            state.counts.expected += sampled
            if customer_id not in state.seen and len(state.seen) < _MAX_COUNTED_CUSTOMERS:
                state.seen.add(customer_id)
                state.counts.customers += 1
                state.counts.customers_sampled += sampled

    def add(self, market: str, window: str, rows: list[dict[str, Any]]) -> None:
        """Take rows for the next part; over the buffer's bound they are dropped and counted."""
        with self._lock:
            state = self._windows[market, window]
            room = _MAX_BUFFERED - len(state.rows)
            state.rows += rows[:room]
            state.counts.dropped += max(0, len(rows) - room)

    def flush(self) -> None:
        """Write what is buffered; rows whose write fails stay for the next time."""
        with self._lock:
            batches = [(key, list(state.rows), asdict(state.counts)) for key, state in self._windows.items()]
        for (market, window), rows, counts in batches:
            folder = window_folder(self._lake, market, window)
            self._lake.filesystem.create_dir(folder, recursive=True)
            state = self._windows[market, window]
            if rows:
                part = f"{folder}/part-{self._replica}-{state.parts:06d}"
                _write_rows(self._lake, part, pa.Table.from_pylist(rows, SCHEMA))
                with self._lock:
                    del state.rows[: len(rows)]
                    state.parts += 1
            _write_json(self._lake, f"{folder}/counts-{self._replica}", counts)

    def close(self) -> None:
        """Stop the thread and write what is left."""
        self._stopping.set()
        self._thread.join()
        self.flush()

    def _flush_forever(self, flush_s: float) -> None:
        while not self._stopping.wait(flush_s):
            try:
                self.flush()
            except OSError:
                log.exception("the pair log could not be written; its rows are kept and tried again")


def window_folder(lake: Lake, market: str, window: str) -> str:
    """Where one shadow window's parts are."""
    return f"{lake.root}/_pairs/market={market}/window={window}"


def read_window(lake: Lake, market: str, window: str) -> tuple[pl.DataFrame, Counts]:
    """All pairs of a window, and the counts of all replicas together."""
    folder = window_folder(lake, market, window)
    parts = [
        pq.read_table(path, filesystem=lake.filesystem, partitioning=None) for path in _files(lake, folder, ".parquet")
    ]
    total = Counts()
    for path in _files(lake, folder, ".json"):
        with lake.filesystem.open_input_stream(path) as file:
            counts = json.loads(file.read())
        for name, value in counts.items():
            setattr(total, name, getattr(total, name) + value)
    # Parts that an older release wrote lack the columns that have come since.
    rows = pa.concat_tables(parts, promote_options="default") if parts else SCHEMA.empty_table()
    return pl.DataFrame(pl.from_arrow(rows)), total


def forget(lake: Lake, market: str, customer: str) -> int:
    """Remove the pairs of a pseudonym from all windows of a market; how many there were.

    The pairs were expected and are no more. What is taken out of the counts stands in a file of its own, so that a
    window never looks as if pairs had been lost; it is written first, and written again it says the same.
    """
    removed = 0
    for window in _windows(lake, market):
        folder = window_folder(lake, market, window)
        found = read_window(lake, market, window)[0].filter(pl.col("customer") == customer).height
        if not found:
            continue
        removed += found
        _write_json(lake, f"{folder}/counts-forgotten-{customer}", asdict(Counts(-found, -found, 0, -1, -1)))
        for path in _files(lake, folder, ".parquet"):
            rows = pq.read_table(path, filesystem=lake.filesystem, partitioning=None)
            left = rows.filter(pc.not_equal(rows["customer"], customer))
            if len(left) < len(rows):
                _write_rows(lake, path.removesuffix(".parquet"), left)
    return removed


def count(lake: Lake, market: str, customer: str) -> int:
    """How many pairs of a pseudonym all windows of a market have."""
    windows = (read_window(lake, market, window)[0] for window in _windows(lake, market))
    return sum(pairs.filter(pl.col("customer") == customer).height for pairs in windows)


def _windows(lake: Lake, market: str) -> list[str]:
    selector = pa_fs.FileSelector(f"{lake.root}/_pairs/market={market}", allow_not_found=True)
    return sorted(info.base_name.removeprefix("window=") for info in lake.filesystem.get_file_info(selector))


def _files(lake: Lake, folder: str, ending: str) -> list[str]:
    selector = pa_fs.FileSelector(folder, allow_not_found=True)
    return sorted(info.path for info in lake.filesystem.get_file_info(selector) if info.path.endswith(ending))


def _write_rows(lake: Lake, path: str, rows: pa.Table) -> None:
    pq.write_table(rows, f"{path}.draft", filesystem=lake.filesystem)
    lake.filesystem.move(f"{path}.draft", f"{path}.parquet")


def _write_json(lake: Lake, path: str, values: dict[str, int]) -> None:
    with lake.filesystem.open_output_stream(f"{path}.draft") as file:
        file.write(json.dumps(values).encode())
    lake.filesystem.move(f"{path}.draft", f"{path}.json")
