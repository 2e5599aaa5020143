"""How the champion's live answers went, counted by each router in spans of ten seconds: requests, failures, seconds.

They stand beside the lake's tables, a file an hour and router, by market and version. No question stays.
"""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pyarrow.fs as pa_fs

from libs.base.flush_thread import FlushThread
from libs.features.lake import Lake
from libs.models.pair_log import files, read_counts, write_counts

SPAN_S = 10
_HOUR_S = 3600
SCHEMA = {"router": pl.String, "at": pl.Int64, "requests": pl.Int64, "failed": pl.Int64, "seconds": pl.Float64}

# Of one market's version in one hour: by the span's begin, its requests, failures and seconds.
_Key = tuple[str, str, int]
_Spans = dict[int, tuple[int, int, float]]


class LiveCounts:
    """One router's counts; a thread writes them every few seconds, and what is not yet written is lost with it."""

    def __init__(self, lake_uri: str, clock: Callable[[], float] = time.time) -> None:
        self._lake = Lake.open(lake_uri)
        self._router = uuid.uuid4().hex[:12]
        self._clock = clock
        self._found: dict[_Key, _Spans] = {}
        self._changed: set[_Key] = set()
        self._lock = threading.Lock()
        self._thread = FlushThread(self.flush, "the counts of live answers")

    def add(self, market: str, version: str, requests: int, failed: bool, seconds: float) -> None:
        """Count a batch of requests that took so long, each of which failed if the batch did."""
        now = int(self._clock())
        key, span = (market, version, now // _HOUR_S * _HOUR_S), now // SPAN_S * SPAN_S
        with self._lock:
            spans = self._found.setdefault(key, {})
            before = spans.get(span, (0, 0, 0.0))
            spans[span] = (before[0] + requests, before[1] + requests * failed, before[2] + requests * seconds)
            self._changed.add(key)

    def flush(self) -> None:
        """Write what has changed; what cannot be written stays for the next time."""
        with self._lock:
            changed = {key: dict(self._found[key]) for key in self._changed}
        for key, spans in changed.items():
            market, version, hour = key
            folder = _folder(self._lake, market, version)
            self._lake.filesystem.create_dir(folder, recursive=True)
            values = {str(span): one for span, one in spans.items()}
            write_counts(self._lake, f"{folder}/{hour}-{self._router}", values)
            self._written(key, spans)

    def close(self) -> None:
        """Stop the thread and write what is left."""
        self._thread.close()

    def _written(self, key: _Key, spans: _Spans) -> None:
        with self._lock:
            if self._found[key] == spans:
                self._changed.discard(key)
                if key[2] + _HOUR_S < self._clock():
                    del self._found[key]


def read_live(lake: Lake, market: str, version: str, since: datetime) -> pl.DataFrame:
    """The spans (`SCHEMA`) of a version that began at or after `since`, of all routers."""
    rows = []
    for path in files(lake, _folder(lake, market, version), ".json"):
        spans = read_counts(lake, path)
        router = path.rpartition("-")[2]
        rows += [(router, int(at), *one) for at, one in spans.items() if int(at) >= since.timestamp()]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("at", "router")


def remove_before(lake: Lake, market: str, before: datetime) -> None:
    """Remove the files of all versions of hours that ended before."""
    selector = pa_fs.FileSelector(f"{lake.root}/_live/market={market}", allow_not_found=True)
    for folder in lake.filesystem.get_file_info(selector):
        for path in files(lake, folder.path, ".json"):
            if int(path.rpartition("/")[2].partition("-")[0]) + _HOUR_S < before.astimezone(UTC).timestamp():
                lake.filesystem.delete_file(path)


def _folder(lake: Lake, market: str, version: str) -> str:
    return f"{lake.root}/_live/market={market}/version={version}"
