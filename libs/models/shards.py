"""One rank's part of a market that several train together, as XGBoost reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray.data
import xgboost as xgb

from libs.features.assembly import FEATURES
from libs.models.dataset import OUTCOME
from libs.models.outcomes import beyond

# Rows in one file of a shard, and so in one page of external memory.
_PAGE_ROWS = 131_072
# Of one value in XGBoost's quantised matrix where some are unknown: the number of its bin.
_BYTES_PER_VALUE = 4


@dataclass(frozen=True)
class Shard:
    """One rank's examples, in files that XGBoost reads page by page: it wants them more than once."""

    pages: tuple[Path, ...]
    rows: int

    @classmethod
    def write(cls, blocks: ray.data.DataIterator, folder: Path) -> "Shard":
        """Write what this rank gets into a folder of its own."""
        pages, count = [], 0
        for number, block in enumerate(blocks.iter_batches(batch_size=_PAGE_ROWS, batch_format="numpy")):
            rows = np.column_stack([block[name] for name in FEATURES])
            pages.append(folder / f"{number:05}.npz")
            np.savez(pages[-1], rows=rows, outcomes=block[OUTCOME])
            count += len(rows)
        return cls(tuple(pages), count)

    def matrix(self, memory_bytes: float) -> xgb.DMatrix:
        """The quantised examples: in memory, or beside the pages when they would take more than that."""
        if self.rows * len(FEATURES) * _BYTES_PER_VALUE > memory_bytes:
            return xgb.ExtMemQuantileDMatrix(_Pages(self.pages, str(self.pages[0].parent / "cache")))
        return xgb.QuantileDMatrix(_Pages(self.pages))


class _Pages(xgb.DataIter):
    def __init__(self, pages: Sequence[Path], cache_prefix: str | None = None) -> None:
        super().__init__(cache_prefix=cache_prefix)
        self._pages = pages
        self._next = 0

    def next(self, input_data: Callable[..., None]) -> bool:
        if self._next == len(self._pages):
            return False
        with np.load(self._pages[self._next], allow_pickle=False) as page:
            input_data(data=page["rows"], label=beyond(page["outcomes"]), feature_names=list(FEATURES))
        self._next += 1
        return True

    def reset(self) -> None:
        self._next = 0
