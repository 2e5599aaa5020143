"""The examples of a market that several processes train: made by Ray Data, block by block."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import ray.data

from libs.features.assembly import FEATURES
from libs.models.examples import LEARNED, learned

OUTCOME = "outcome"

# Lines assembled at a time: some 20 MB of examples.
_LINES = 32_768


def examples(training_path: str) -> ray.data.Dataset:
    """What a training table teaches: a float32 column for each of `FEATURES`, and `outcome`, int8."""
    files = [str(path) for path in sorted(Path(training_path).glob("*.parquet"))] or [training_path]
    return ray.data.read_parquet(files).map_batches(_examples, batch_format="pyarrow", batch_size=_LINES)


def _examples(block: pa.Table) -> pa.Table:
    lines = pl.DataFrame(pl.from_arrow(block)).filter(pl.col("split").is_in(LEARNED))
    if lines.is_empty():
        return pa.schema([(name, pa.float32()) for name in FEATURES] + [(OUTCOME, pa.int8())]).empty_table()
    rows, outcomes = learned(lines)
    return pa.table({name: rows[:, column] for column, name in enumerate(FEATURES)} | {OUTCOME: outcomes})
