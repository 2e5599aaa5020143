"""Arrays as the features use them, and the way between them and the lists of a frame."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def offsets_of(counts: npt.ArrayLike) -> Indices:
    """Where each of n groups begins in their concatenation, and where the last one ends; (n + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(counts, dtype=np.int64))])


def ranges(starts: Indices, counts: Indices) -> Indices:
    """The indices `starts[i], starts[i] + 1, ...`, `counts[i]` of them, of all i one after another; (sum(counts),)."""
    offsets = offsets_of(counts)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)


def runs(values: Indices) -> Indices:
    """Where each run of equal values begins, and where the last one ends; (runs + 1,)."""
    return np.concatenate([np.flatnonzero(np.diff(values, prepend=values[:1] - 1)), [len(values)]])


def lists(offsets: Indices, values: npt.NDArray[np.generic] | pl.Series) -> pl.Series:
    """Values of n groups, one after another, as a series of n lists."""
    flat = values.to_arrow() if isinstance(values, pl.Series) else pa.array(values)
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(offsets, flat)))
