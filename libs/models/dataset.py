"""The examples of a market that several processes train: made by Ray Data, block by block."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import ray.data

from libs.features.assembly import FEATURES, Matrix
from libs.models.examples import LEARNED, OUTCOME, ROWS, learned
from libs.models.outcomes import Codes

# Lines assembled at a time: some 20 MB of examples.
_LINES = 32_768


def examples(training_path: str) -> ray.data.Dataset:
    """What a training table teaches: a row of `FEATURES`, float32, and its outcome, int8."""
    files = [str(path) for path in sorted(Path(training_path).glob("*.parquet"))] or [training_path]
    return ray.data.read_parquet(files).map_batches(_examples, batch_format="pyarrow", batch_size=_LINES)


def _examples(block: pa.Table) -> dict[str, Matrix | Codes]:
    lines = pl.DataFrame(pl.from_arrow(block)).filter(pl.col("split").is_in(LEARNED))
    if lines.is_empty():
        return {ROWS: np.empty((0, len(FEATURES)), dtype=np.float32), OUTCOME: np.empty(0, dtype=np.int8)}
    rows, outcomes = learned(lines)
    return {ROWS: rows, OUTCOME: outcomes}
