"""What an order line turned out to be, and from when on that was known.

A line's outcome is known when it is mature: `label_maturity_days` after the order. Returns arrive earlier than the
knowledge that something is kept, so counting them as they come would make every recent week look like bad fit.
A return that comes even later changes the outcome from the moment it arrives, as one event that takes the old outcome
back and one that adds the new: history before that moment stays what it was.
"""

from datetime import datetime, timedelta

import polars as pl

OUTCOMES = ("small", "fit", "large")
_OUTCOME_OF_REASON = {"too_small": "small", "too_large": "large"}


def with_outcomes(lines: pl.DataFrame, returns: pl.DataFrame, maturity_days: int, as_of: datetime) -> pl.DataFrame:
    """Add to each line what is known of it at `as_of`.

    Shape: lines (n, ...) -> (n, ... + matured_at, returned_at, first_outcome, outcome). `first_outcome` is what the
    line was taken for when it matured, `outcome` what it is taken for at `as_of`; both are null for immature lines
    and for returns without a fit reason.
    """
    known = returns.filter(pl.col("returned_at") < as_of)
    by_reason = (
        pl.when(pl.col("returned_at").is_null())
        .then(pl.lit("fit"))
        .otherwise(pl.col("reason").replace_strict(_OUTCOME_OF_REASON, default=None, return_dtype=pl.String))
    )
    mature = pl.col("matured_at") < as_of
    late = pl.col("returned_at") > pl.col("matured_at")
    return (
        lines.join(known, on="line_id", how="left", maintain_order="left")
        .with_columns(matured_at=pl.col("ordered_at") + timedelta(days=maturity_days))
        .with_columns(outcome=pl.when(mature).then(by_reason))
        .with_columns(first_outcome=pl.when(mature & late).then(pl.lit("fit")).otherwise(pl.col("outcome")))
        .drop("reason")
    )


def outcome_events(lines: pl.DataFrame) -> pl.DataFrame:
    """The moments at which history learns something: one row per line that matured, two more per late return.

    Shape: lines (n, from `with_outcomes`) -> (m, columns of lines + known_at, small, fit, large), where the last
    three are +1, 0 or -1. Adding them up over `known_at < t` gives the counts as they were known at `t`.
    """
    matured = lines.filter(pl.col("matured_at").is_not_null() & pl.col("first_outcome").is_not_null())
    late = lines.filter(pl.col("returned_at") > pl.col("matured_at")).filter(pl.col("first_outcome").is_not_null())
    parts = [
        _signed(matured, "matured_at", "first_outcome", 1.0),
        _signed(late, "returned_at", "first_outcome", -1.0),
        _signed(late.filter(pl.col("outcome").is_not_null()), "returned_at", "outcome", 1.0),
    ]
    return pl.concat(parts).sort("known_at", "line_id", maintain_order=True)


def _signed(lines: pl.DataFrame, known_at: str, outcome: str, sign: float) -> pl.DataFrame:
    return lines.with_columns(
        pl.col(known_at).alias("known_at"),
        *(pl.when(pl.col(outcome) == name).then(sign).otherwise(0.0).alias(name) for name in OUTCOMES),
    )
