"""The files between the passes of preprocessing: Arrow, uncompressed, read by the next pass and gone after the run."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl


@dataclass(frozen=True)
class Staging:
    """A folder that all workers share.

    Every file has a name of its own, and only the names that a finished task gives back are read: what a task left that
    died and was begun again is never seen.
    """

    folder: Path

    def rows(self, market: str, kind: str, rows: pl.DataFrame) -> str:
        """Write rows to a file of their own; its path."""
        path = self._new(market, kind, "arrow")
        rows.write_ipc(path)
        return str(path)

    def arrays(self, market: str, kind: str, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
        """Write arrays to a file of their own; its path."""
        path = self._new(market, kind, "npz")
        np.savez(path, allow_pickle=False, **arrays)
        return str(path)

    def _new(self, market: str, kind: str, ending: str) -> Path:
        home = self.folder / market / kind
        home.mkdir(parents=True, exist_ok=True)
        return home / f"{secrets.token_hex(8)}.{ending}"


def read(paths: Iterable[str], schema: pl.Schema | None = None) -> pl.DataFrame:
    """All rows of these files, in the order of the paths; with a schema, there may be no file."""
    parts = [pl.read_ipc(path) for path in paths]
    return pl.concat([*([pl.DataFrame(schema=schema)] if schema is not None else []), *parts])


def read_arrays(path: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file, by name."""
    with np.load(path, allow_pickle=False) as found:
        return dict(found)
