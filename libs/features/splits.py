"""How a training row may be used: windows cut by order time, so that every later row is unseen by all before."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from libs.base.market import Market

TRAIN, CALIBRATION, HOLDOUT = "train", "calibration", "holdout"
# Train lines once more, with the history they would have had in another order of time.
SHUFFLED = "shuffled"


@dataclass(frozen=True)
class Windows:
    """When each split begins; the last ends with the last mature order."""

    calibration_from: datetime
    holdout_from: datetime
    mature_until: datetime

    def split(self) -> pl.Expr:
        """The split of a line by its `ordered_at`."""
        return (
            pl.when(pl.col("ordered_at") >= self.holdout_from)
            .then(pl.lit(HOLDOUT))
            .when(pl.col("ordered_at") >= self.calibration_from)
            .then(pl.lit(CALIBRATION))
            .otherwise(pl.lit(TRAIN))
        )


def windows(market: Market, as_of: datetime) -> Windows:
    """Cut the market's mature span, counted back from the last day that is mature at `as_of`."""
    mature_until = as_of - timedelta(days=market.label_maturity_days)
    holdout_from = mature_until - timedelta(days=market.training.holdout_days)
    return Windows(holdout_from - timedelta(days=market.training.calibration_days), holdout_from, mature_until)
