"""Requests from the training table: the offline side of the one assembly."""

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices
from libs.features.assembly import Requests
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_RANGE, SIZE_STATISTICS


def requests_from_training(rows: pl.DataFrame) -> Requests:
    """Shape: training rows (n) with lists of sizes and history -> n questions with all their candidates.

    What was bought is what was chosen.
    """
    names = (*CUSTOMER_BODY, "body_position", *ARTICLE_STATISTICS, *SIZE_RANGE, "scale")
    history_offsets = _offsets(rows, "history_position")
    owner = np.repeat(np.arange(len(rows)), np.diff(history_offsets))
    same_brand = _flat(rows, "history_brand") == rows["brand"].gather(owner)
    return Requests(
        values={name: rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names},
        size_values={name: _flat(rows, name).to_numpy() for name in ("positions", *SIZE_STATISTICS)},
        offsets=_offsets(rows, "positions"),
        history={
            **{name: _floats(_flat(rows, f"history_{name}")) for name in ("position", "kept", "small", "large")},
            "same_brand": _floats(same_brand),
        },
        history_offsets=history_offsets,
        chosen=rows["bought"].cast(pl.Int64).to_numpy(),
    )


def _flat(rows: pl.DataFrame, name: str) -> pl.Series:
    return rows[name].explode(empty_as_null=False)


def _floats(values: pl.Series) -> Floats:
    return values.cast(pl.Float64).to_numpy()


def _offsets(rows: pl.DataFrame, name: str) -> Indices:
    counts = rows[name].list.len().to_numpy().astype(np.int64)
    return np.concatenate([[0], np.cumsum(counts)])
