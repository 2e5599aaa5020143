"""What the live questions of a market look like, counted by each replica in the bins of its model's training.

A replica looks at one batch a second, and writes its counts beside the lake's tables, a file a day. No question stays.
"""

import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.fs as pa_fs

from libs.base.flush_thread import FlushThread
from libs.features.arrays import Indices
from libs.features.lake import Lake
from libs.features.snapshot import Snapshot
from libs.models.contract import ModelRef
from libs.models.distributions import Distributions
from libs.models.package import Package
from libs.models.pair_log import read_counts, write_counts

_LOOK_EVERY_S = 1.0
# Of one batch: a few milliseconds of work for the replica.
_MOST_QUESTIONS = 64


@dataclass
class Looked:
    """The questions that were looked at, and their counts by name, (b,)."""

    questions: int = 0
    counts: dict[str, Indices] = field(default_factory=dict)

    def add(self, questions: int, counts: Mapping[str, Indices]) -> None:
        """Add others in the same bins."""
        self.questions += questions
        for name, one in counts.items():
            self.counts[name] = self.counts[name] + one if name in self.counts else one


class TrafficWatch:
    """One replica's counts; a thread writes them every few seconds, and what is not yet written is lost with it."""

    def __init__(self, lake_uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._lake = Lake.open(lake_uri)
        self._replica = uuid.uuid4().hex[:12]
        self._clock = clock
        self._looked_at: dict[str, float] = {}
        self._trained_on: dict[ModelRef, Distributions | None] = {}
        self._found: dict[tuple[str, str, date], Looked] = defaultdict(Looked)
        self._changed: Counter[tuple[str, str, date]] = Counter()
        self._lock = threading.Lock()
        self._thread = FlushThread(self.flush, "the counts of live traffic")

    def look(self, market: str, ref: ModelRef, package: Package, snapshot: Snapshot) -> None:
        """Count the questions of a batch, or some of a large one, if none was counted within the last second."""
        now = self._clock()
        if now - self._looked_at.get(market, -np.inf) < _LOOK_EVERY_S or not snapshot.known:
            return
        self._looked_at[market] = now
        if ref not in self._trained_on:
            self._trained_on[ref] = Distributions.load(Path(ref.path))
        trained_on = self._trained_on[ref]
        if trained_on is None:
            return
        some = snapshot.select(snapshot.known[:: -(-len(snapshot.known) // _MOST_QUESTIONS)])
        counts = trained_on.count(package, some.requests)
        key = (market, ref.version, datetime.now(UTC).date())
        with self._lock:
            self._found[key].add(len(some.known), counts)
            self._changed[key] += 1

    def flush(self) -> None:
        """Write what has changed; what cannot be written stays for the next time."""
        with self._lock:
            changed = dict(self._changed)
            values = {key: _values(self._found[key]) for key in changed}
        for key, told in values.items():
            market, version, day = key
            folder = _folder(self._lake, market, version)
            self._lake.filesystem.create_dir(folder, recursive=True)
            write_counts(self._lake, f"{folder}/{day.isoformat()}-{self._replica}", told)
            with self._lock:
                self._changed[key] -= changed[key]
                if not self._changed[key]:
                    del self._changed[key]

    def close(self) -> None:
        """Stop the thread and write what is left."""
        self._thread.close()


def read_traffic(lake: Lake, market: str, version: str, days: int, until: date) -> Looked:
    """What all replicas have counted of a version's questions on the last so many days."""
    since = (until - timedelta(days=days - 1)).isoformat()
    total = Looked()
    selector = pa_fs.FileSelector(_folder(lake, market, version), allow_not_found=True)
    for info in lake.filesystem.get_file_info(selector):
        if info.path.endswith(".json") and since <= info.base_name[:10] <= until.isoformat():
            values = read_counts(lake, info.path)
            counts = {name: np.array(one, dtype=np.int64) for name, one in values["counts"].items()}
            total.add(values["questions"], counts)
    return total


def _folder(lake: Lake, market: str, version: str) -> str:
    return f"{lake.root}/_traffic/market={market}/version={version}"


def _values(looked: Looked) -> dict[str, Any]:
    return {"questions": looked.questions, "counts": {name: one.tolist() for name, one in looked.counts.items()}}
