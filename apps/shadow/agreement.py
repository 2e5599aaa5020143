"""How often champion and challenger name the same size: over time, and by the size that the champion named."""

import numpy as np
import polars as pl

from apps.shadow.streams import hours_of
from libs.features.arrays import Floats
from libs.models.pair_log import COMPLETE

ABSTAINED = "no size"


def agreement(pairs: pl.DataFrame, looks: Floats) -> Floats:
    """The share of articles that were given the same size, at each look (l,); NaN before there are any."""
    given = _given(pairs).sort("at")
    at = hours_of(given["at"])
    seen = np.searchsorted(at, looks, side="right")
    same = np.concatenate([[0], np.cumsum(given["same"].to_numpy())])
    return np.asarray(np.divide(same[seen], seen, out=np.full(len(looks), np.nan), where=seen > 0))


def agreement_by_size(pairs: pl.DataFrame) -> pl.DataFrame:
    """Per size that the champion named, the most frequent first: `articles`, and the share that is the `same`."""
    return (
        _given(pairs)
        .group_by(size=pl.col("champion").fill_null(ABSTAINED))
        .agg(articles=pl.len(), same=pl.col("same").mean())
        .sort("articles", "size", descending=[True, False])
    )


def _given(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per article of the complete pairs. To abstain both is to agree."""
    return (
        pairs.filter(pl.col("outcome") == COMPLETE)
        .select("at", champion="champion_sizes", challenger="challenger_sizes")
        .explode("champion", "challenger")
        .with_columns(same=pl.col("champion").eq_missing(pl.col("challenger")))
    )
