"""A market's business rules as polars expressions, and the funnel they leave."""

from collections.abc import Mapping, Sequence
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

# Of a line that breaks no rule: more than the index of any, so that of two answers the smaller one holds.
KEPT = 2**15 - 1


@dataclass(frozen=True)
class FunnelStep:
    """One rule's effect: lines that reached it, and lines that passed it."""

    rule: str
    rows_in: int
    rows_out: int


def broken_rule(rules: Sequence[Rule], as_of: datetime, *, of_customers: bool) -> pl.Expr:
    """The index of the first rule a line breaks, or `KEPT`: of those that ask about its customer, or of the others.

    The first need `registered_at`, the others the columns of `orders`, `division` and `position`, all of them null
    where the line has no partner.
    """
    asked = [
        (index, rule) for index, rule in enumerate(rules) if isinstance(rule.keep, KnownCustomerRule) == of_customers
    ]
    broken = [pl.when(~_keeps(rule.keep, as_of)).then(pl.lit(index)) for index, rule in asked]
    return pl.coalesce([*broken, pl.lit(KEPT)]).cast(pl.Int16)


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


def funnel(rules: Sequence[Rule], broken: Mapping[int, int]) -> list[FunnelStep]:
    """What each rule let through, from how many lines have which `broken_rule`."""
    steps, remaining = [], sum(broken.values())
    for index, rule in enumerate(rules):
        passed = remaining - broken.get(index, 0)
        steps.append(FunnelStep(rule.name, remaining, passed))
        remaining = passed
    return steps
