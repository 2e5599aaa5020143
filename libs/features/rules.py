"""A market's business rules as polars expressions, and the funnel they leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from libs.base.errors import InvariantError
from libs.base.market import (
    ChannelRule,
    DivisionRule,
    HistoryRule,
    KnownArticleRule,
    KnownCustomerRule,
    QuantityRule,
    Rule,
    RuleKind,
    SizeOnScaleRule,
)

KEPT = -1


@dataclass(frozen=True)
class FunnelStep:
    """One rule's effect: lines that reached it, and lines that passed it."""

    rule: str
    rows_in: int
    rows_out: int


def broken_rule(rules: Sequence[Rule], as_of: datetime) -> pl.Expr:
    """The index of the first rule a line breaks, or `KEPT`.

    The lines need the columns of `orders` and, joined from the dimensions and null where there is no partner:
    `division`, `position`, `registered_at`.
    """
    broken = [pl.when(~_keeps(rule.keep, as_of)).then(pl.lit(index)) for index, rule in enumerate(rules)]
    return pl.coalesce([*broken, pl.lit(KEPT)]).cast(pl.Int16).alias("broken_rule")


def _keeps(rule: RuleKind, as_of: datetime) -> pl.Expr:
    match rule:
        case KnownArticleRule():
            return pl.col("division").is_not_null()
        case KnownCustomerRule():
            return pl.col("registered_at").is_not_null()
        case SizeOnScaleRule():
            return pl.col("position").is_not_null()
        case ChannelRule(channels=channels):
            return pl.col("channel").is_in(channels)
        case DivisionRule(divisions=divisions):
            return pl.col("division").is_in(divisions).fill_null(False)
        case QuantityRule(pieces=pieces):
            return pl.col("quantity") <= pieces
        case HistoryRule(days=days):
            return pl.col("ordered_at") >= as_of - timedelta(days=days)
    raise InvariantError(f"rule {rule!r} has no meaning here")


def funnel(rules: Sequence[Rule], broken: pl.Series) -> list[FunnelStep]:
    """Count what each rule let through, from the `broken_rule` of all lines."""
    dropped = dict(broken.value_counts().iter_rows())
    steps, remaining = [], len(broken)
    for index, rule in enumerate(rules):
        passed = remaining - dropped.get(index, 0)
        steps.append(FunnelStep(rule.name, remaining, passed))
        remaining = passed
    return steps
