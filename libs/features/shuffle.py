"""Train lines once more, in a shuffled order of time.

The history of a line in the order of time knows only what came before, so the early lines of an article teach little of
how well a long history predicts. In an order drawn by chance every line may stand late, and has another history to be
learned with. As in the order of time a line's history never contains its own outcome, and no two lines are in each
other's history, which is what makes encodings of left-out lines leak.

Source of the idea: ordered target statistics with several permutations (Prokhorenkova et al., "CatBoost: unbiased
boosting with categorical features", NeurIPS 2018, section 3.2). Only lines that are learned from are drawn: nothing of
a later window, by which a model is calibrated or judged, gets into a history that is learned.
"""

from datetime import datetime

import numpy as np
import polars as pl


def in_shuffled_order(lines: pl.DataFrame, before: datetime, seed: int) -> pl.DataFrame:
    """The labelled lines ordered before a moment, each as if it was ordered when another one was.

    Shape: lines (n, from `with_outcomes`) -> (m, the same columns), sorted by the new `ordered_at`.
    """
    learned = lines.filter(pl.col("outcome").is_not_null() & (pl.col("ordered_at") < before))
    drawn = learned["ordered_at"].gather(np.random.default_rng(seed).permutation(len(learned)))
    return learned.with_columns(
        ordered_at=drawn,
        matured_at=drawn + (pl.col("matured_at") - pl.col("ordered_at")),
        # What a line turned out to be counts from its maturity on: there is no later return in a drawn order.
        returned_at=pl.lit(None, learned.schema["returned_at"]),
        first_outcome=pl.col("outcome"),
    ).sort("ordered_at", "line_id")
