"""Requests from the training table: the offline side of the one assembly."""

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.assembly import Requests
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, CUSTOMER_STATISTICS, SIZE_STATISTICS


def requests_from_training(rows: pl.DataFrame) -> Requests:
    """Shape: training rows (n) with lists of sizes -> n questions with all their candidates."""
    names = (*CUSTOMER_STATISTICS, *CUSTOMER_BODY, *ARTICLE_STATISTICS, "scale")
    values = {name: rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    sizes = {name: rows[name].explode(empty_as_null=False).to_numpy() for name in ("positions", *SIZE_STATISTICS)}
    counts = rows["positions"].list.len().to_numpy().astype(np.int64)
    return Requests(values, sizes, np.concatenate([[0], np.cumsum(counts)]))


def bought_candidates(rows: pl.DataFrame, requests: Requests) -> npt.NDArray[np.int64]:
    """For each of n training rows the index, among all candidates, of the size that was bought."""
    bought: npt.NDArray[np.int32] = rows["bought"].to_numpy()
    return requests.offsets[:-1] + bought
