"""One rank's part of a market that several train together, as XGBoost reads it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from libs.features.assembly import FEATURES, Matrix
from libs.models.examples import OUTCOME, ROWS
from libs.models.outcomes import Codes, beyond

# Rows of one page.
PAGE_ROWS = 131_072
# What is in memory while a page is quantised: it, and of each value the number of its bin.
_BYTES_PER_ROW = len(FEATURES) * (4 + 4)


@dataclass(frozen=True)
class _Page:
    """Examples, or the file that they are in."""

    rows: Matrix | Path
    outcomes: Codes

    def read(self) -> Matrix:
        return np.load(self.rows, allow_pickle=False) if isinstance(self.rows, Path) else self.rows


@dataclass(frozen=True)
class Shard:
    """One rank's examples in pages, which XGBoost wants more than once: in memory, or in files beyond that."""

    pages: tuple[_Page, ...]
    folder: Path

    @classmethod
    def of(cls, batches: Iterable[Mapping[str, Any]], folder: Path, memory_bytes: float) -> "Shard":
        """Gather what this rank gets. What is more than the memory goes to the folder, which is the shard's own."""
        pages, held = [], 0
        for number, batch in enumerate(batches):
            rows: Matrix = batch[ROWS]
            held += len(rows) * _BYTES_PER_ROW
            if held > memory_bytes:
                path = folder / f"{number:05}.npy"
                np.save(path, rows)
                pages.append(_Page(path, batch[OUTCOME]))
            else:
                pages.append(_Page(rows, batch[OUTCOME]))
        return cls(tuple(pages), folder)

    def matrix(self) -> xgb.DMatrix:
        """The quantised examples: in memory where the pages are, or beside those that are not."""
        if any(isinstance(page.rows, Path) for page in self.pages):
            return xgb.ExtMemQuantileDMatrix(_Reader(self.pages, str(self.folder / "cache")))
        return xgb.QuantileDMatrix(_Reader(self.pages))


class _Reader(xgb.DataIter):
    def __init__(self, pages: tuple[_Page, ...], cache_prefix: str | None = None) -> None:
        super().__init__(cache_prefix=cache_prefix)
        self._pages = pages
        self._next = 0

    def next(self, input_data: Callable[..., None]) -> bool:
        if self._next == len(self._pages):
            return False
        page = self._pages[self._next]
        input_data(data=page.read(), label=beyond(page.outcomes), feature_names=list(FEATURES))
        self._next += 1
        return True

    def reset(self) -> None:
        self._next = 0
