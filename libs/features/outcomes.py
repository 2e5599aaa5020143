"""What an order line turned out to be, and from when on that was known.

A line's outcome is known when it is mature: `label_maturity_days` after the order. Returns arrive earlier than the
knowledge that something is kept, so counting them as they come would make every recent week look like bad fit.
A return that comes even later changes the outcome from the moment it arrives, as one event that takes the old outcome
back and one that adds the new: history before that moment stays what it was.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices
from libs.features.running_sums import day_of

OUTCOMES = ("small", "fit", "large")
SMALL, FIT, LARGE = range(len(OUTCOMES))
# Of a line that is not mature, or was returned for a reason that says nothing of fit.
NO_OUTCOME = -1
_OUTCOME_OF_REASON = {"too_small": SMALL, "too_large": LARGE}


def with_outcomes(lines: pl.DataFrame, returns: pl.DataFrame, maturity_days: int, as_of: datetime) -> pl.DataFrame:
    """Add to each line what is known of it at `as_of`.

    Shape: lines (n, ...) -> (n, ... + matured_at, returned_at, first_outcome, outcome). `first_outcome` is what the
    line was taken for when it matured, `outcome` what it is taken for at `as_of`, both indices of `OUTCOMES` or
    `NO_OUTCOME`.
    """
    known = returns.filter(pl.col("returned_at") < as_of)
    by_reason = (
        pl.when(pl.col("returned_at").is_null())
        .then(FIT)
        .otherwise(pl.col("reason").replace_strict(_OUTCOME_OF_REASON, default=NO_OUTCOME, return_dtype=pl.Int8))
    )
    mature = pl.col("matured_at") < as_of
    late = pl.col("returned_at") > pl.col("matured_at")
    return (
        lines.join(known, on="line_id", how="left", maintain_order="left")
        .with_columns(matured_at=pl.col("ordered_at") + timedelta(days=maturity_days))
        .with_columns(outcome=pl.when(mature).then(by_reason).otherwise(NO_OUTCOME).cast(pl.Int8))
        .with_columns(first_outcome=pl.when(mature & late).then(FIT).otherwise("outcome").cast(pl.Int8))
        .drop("reason")
    )


@dataclass(frozen=True)
class Events:
    """The moments at which history learns something: one of each line that matured, one more of each late return.

    `line` is (e,), the line each is of; `known_at` is (e,); `day` is (e,), the first day that begins with it known;
    `signs` is (e, 3): by outcome +1 where it is added and -1 where it is taken back.
    """

    line: Indices
    known_at: pl.Series
    day: Indices
    signs: Floats

    @classmethod
    def of(cls, lines: pl.DataFrame) -> "Events":
        """The events of n lines that `with_outcomes` has seen."""
        first, last = lines["first_outcome"].to_numpy(), lines["outcome"].to_numpy()
        is_late = (lines["returned_at"] > lines["matured_at"]).fill_null(False).to_numpy()
        matured, late = np.flatnonzero(first != NO_OUTCOME), np.flatnonzero((first != NO_OUTCOME) & is_late)
        known_at = pl.concat([lines["matured_at"].gather(matured), lines["returned_at"].gather(late)])
        # One row more than there are outcomes: the last is that of none.
        sign_of = np.vstack([np.eye(len(OUTCOMES)), np.zeros(len(OUTCOMES))])
        return cls(
            line=np.concatenate([matured, late]),
            known_at=known_at,
            day=day_of(known_at) + 1,
            signs=np.concatenate([sign_of[first[matured]], sign_of[last[late]] - sign_of[first[late]]]),
        )
