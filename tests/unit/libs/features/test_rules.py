"""Business rules: each names the lines it drops, in order, and the funnel adds up."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from libs.base.market import Market, Rule
from libs.features.rules import KEPT, FunnelStep, broken_rule, funnel

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
GOOD = {
    "division": "apparel",
    "registered_at": AS_OF,
    "position": 38.0,
    "channel": "web",
    "quantity": 1,
    "ordered_at": AS_OF - timedelta(days=3),
}
RULES = Market.model_validate(
    {
        "name": "de",
        "rules": [
            {"name": "known article", "keep": {"kind": "known_article"}},
            {"name": "registered", "keep": {"kind": "known_customer"}},
            {"name": "on scale", "keep": {"kind": "size_on_scale"}},
            {"name": "online", "keep": {"kind": "channel_in", "channels": ["web", "app"]}},
            {"name": "clothes", "keep": {"kind": "division_in", "divisions": ["apparel"]}},
            {"name": "no resale", "keep": {"kind": "max_quantity", "pieces": 3}},
            {"name": "recent", "keep": {"kind": "max_age", "days": 365}},
        ],
    }
).rules


def broken(rules: tuple[Rule, ...], **changes: object) -> int:
    schema: dict[str, type[pl.DataType] | pl.DataType] = {
        "division": pl.String,
        "registered_at": pl.Datetime("us", "UTC"),
        "position": pl.Float64,
    }
    line = pl.DataFrame([GOOD | changes], schema_overrides=schema)
    parts = (broken_rule(rules, AS_OF, of_customers=asked) for asked in (True, False))
    return int(line.select(pl.min_horizontal(*parts)).item())


def test_a_good_line_breaks_no_rule() -> None:
    assert broken(RULES) == KEPT


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"division": None}, "known article"),
        ({"registered_at": None}, "registered"),
        ({"position": None}, "on scale"),
        ({"channel": "store"}, "online"),
        ({"division": "footwear"}, "clothes"),
        ({"quantity": 4}, "no resale"),
        ({"ordered_at": AS_OF - timedelta(days=366)}, "recent"),
        ({"channel": "store", "quantity": 9}, "online"),
    ],
)
def test_a_line_is_dropped_by_the_first_rule_it_breaks(changes: dict[str, object], rule: str) -> None:
    assert RULES[broken(RULES, **changes)].name == rule


def test_without_rules_everything_is_kept() -> None:
    assert broken((), division=None) == KEPT


def test_the_funnel_hands_each_rule_what_the_one_before_let_through() -> None:
    steps = funnel(RULES[:3], {KEPT: 2, 0: 2, 2: 1})
    assert steps == [
        FunnelStep("known article", 5, 3),
        FunnelStep("registered", 3, 3),
        FunnelStep("on scale", 3, 2),
    ]
