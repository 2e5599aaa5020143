"""Train lines once more, in a shuffled order of time.

The history of a line in the order of time knows only what came before, so the early lines of an article teach little of
how well a long history predicts. In an order drawn by chance every line may stand late, and has another history to be
learned with. As in the order of time a line's history never contains its own outcome, and no two lines are in each
other's history, which is what makes encodings of left-out lines leak.

Source of the idea: ordered target statistics with several permutations (Prokhorenkova et al., "CatBoost: unbiased
boosting with categorical features", NeurIPS 2018, section 3.2). Only lines that are learned from are drawn: nothing of
a later window, by which a model is calibrated or judged, gets into a history that is learned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from libs.features.arrays import Indices
from libs.features.outcomes import NO_OUTCOME
from libs.features.running_sums import day_of
from libs.features.splits import SHUFFLED


@dataclass(frozen=True)
class DayCounts:
    """On how many lines of each day is learned: where shuffled lines are drawn from. `day` and `count` are (d,)."""

    day: Indices
    count: Indices

    @classmethod
    def of(cls, lines: pl.DataFrame, before: datetime) -> "DayCounts":
        """Count the lines that are learned from, ordered before a moment."""
        day, count = np.unique(day_of(_learned(lines, before)["ordered_at"]), return_counts=True)
        return cls(day, count)

    @classmethod
    def from_days(cls, days: Mapping[int, int]) -> "DayCounts":
        """The counts of a mapping from day to count."""
        return cls(np.array(list(days), dtype=np.int64), np.array(list(days.values()), dtype=np.int64))

    @classmethod
    def merged(cls, parts: "list[DayCounts]") -> "DayCounts":
        """Add up what was counted apart."""
        none = np.empty(0, dtype=np.int64)
        days, place = np.unique(np.concatenate([none, *(one.day for one in parts)]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([none, *(one.count for one in parts)]), minlength=len(days))
        return cls(days, counts.astype(np.int64))


def in_shuffled_order(lines: pl.DataFrame, before: datetime, seed: int, days: DayCounts) -> pl.DataFrame:
    """The labelled lines ordered before a moment, each as if it was ordered on a day drawn for it from `days`.

    The draw is a matter of the line's id and the seed alone, and so the same wherever the line is described.

    Shape: lines (n, from `with_outcomes`) -> (m, the same columns).
    """
    learned = _learned(lines, before)
    drawn = learned["line_id"].hash(seed).to_numpy() / 2.0**64
    reached = np.cumsum(days.count) / max(int(days.count.sum()), 1)
    at = np.minimum(np.searchsorted(reached, drawn, side="right"), len(days.day) - 1)
    ordered_at = pl.Series(days.day[at]).cast(pl.Int32).cast(pl.Date).cast(learned.schema["ordered_at"])
    return learned.with_columns(
        ordered_at=ordered_at,
        matured_at=ordered_at + (pl.col("matured_at") - pl.col("ordered_at")),
        # What a line turned out to be counts from its maturity on: there is no later return in a drawn order.
        returned_at=pl.lit(None, learned.schema["returned_at"]),
        first_outcome=pl.col("outcome"),
        split=pl.lit(SHUFFLED),
    )


def _learned(lines: pl.DataFrame, before: datetime) -> pl.DataFrame:
    return lines.filter((pl.col("outcome") != NO_OUTCOME) & (pl.col("ordered_at") < before))
