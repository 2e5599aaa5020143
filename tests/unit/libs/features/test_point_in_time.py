"""Point-in-time features beside a slow, obvious reference, on markets made up by hypothesis."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.base.market import Market, Training
from libs.features.body import BodySums
from libs.features.catalogue import Catalogue
from libs.features.columns import CUSTOMER_BODY, LEVELS, SIZE_STATISTICS
from libs.features.outcomes import with_outcomes
from libs.features.running_sums import DaySums
from libs.features.shuffle import DayCounts
from libs.features.splits import windows
from libs.features.tables import ArticleGroup, CustomerGroup, MarketFeatures, build_tables
from tests.slow_features import MATURITY, SlowMarket, beginning_of_day
from tests.small_market import AS_OF as SMALL_AS_OF
from tests.small_market import small_market

START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=200)
MARKET = Market(name="de", label_maturity_days=MATURITY.days)
SIZES = ["36", "38", "40"]
MOMENT = pl.Datetime("us", "UTC")

ARTICLES = pl.DataFrame(
    {
        "article_id": ["a0", "a1", "a2", "a3"],
        "brand": ["x", "x", "y", "y"],
        "division": ["apparel", "apparel", "apparel", "footwear"],
        "category": ["c", "d", "c", "c"],
        "gender": ["women"] * 4,
        "size_system": ["EU"] * 4,
        "sizes": [SIZES, SIZES, SIZES[:2], SIZES],
        "launched_at": [START] * 4,
        "online": [True] * 4,
    },
    schema_overrides={"launched_at": MOMENT},
)
CUSTOMERS = pl.DataFrame(
    {
        "customer_id": ["c0", "c1", "c2"],
        "registered_at": [START] * 3,
        **{name: [None] * 3 for name in CUSTOMER_BODY},
    },
    schema_overrides={"registered_at": MOMENT, **dict.fromkeys(CUSTOMER_BODY, pl.Float64)},
)

# Hours matter at the edges of days: events and orders fall on midnight often, and otherwise anywhere.
moments = st.builds(
    lambda day, hour: START + timedelta(days=day, hours=hour), st.integers(0, 150), st.sampled_from([0, 0, 1, 13, 23])
)
lines = st.fixed_dictionaries(
    {
        "customer": st.sampled_from(["c0", "c1", "c2"]),
        "article": st.integers(0, 3),
        "size": st.integers(0, 1),
        "ordered_at": moments,
        "returned_after": st.none() | st.integers(1, 24 * 60),
        "reason": st.sampled_from(["too_small", "too_large", "changed_mind"]),
    }
)
markets = st.lists(lines, min_size=1, max_size=25)


def frames(made: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The orders and returns of a made-up market."""
    orders = pl.DataFrame(
        {
            "line_id": [f"l{index}" for index in range(len(made))],
            "customer_id": [one["customer"] for one in made],
            "article_id": [f"a{one['article']}" for one in made],
            "size": [SIZES[one["size"]] for one in made],
            "ordered_at": [one["ordered_at"] for one in made],
        },
        schema_overrides={"ordered_at": MOMENT},
    )
    back = [(f"l{index}", one) for index, one in enumerate(made) if one["returned_after"] is not None]
    returns = pl.DataFrame(
        {
            "line_id": [line for line, _ in back],
            "returned_at": [one["ordered_at"] + timedelta(hours=one["returned_after"]) for _, one in back],
            "reason": [one["reason"] for _, one in back],
        },
        schema={"line_id": pl.String, "returned_at": MOMENT, "reason": pl.String},
    )
    return orders, returns


def build(made: list[dict[str, Any]], as_of: datetime = AS_OF) -> MarketFeatures:
    orders, returns = frames(made)
    return build_tables(MARKET, orders.filter(pl.col("ordered_at") < as_of), returns, CUSTOMERS, ARTICLES, as_of)


def slow(made: list[dict[str, Any]]) -> SlowMarket:
    orders, returns = frames(made)
    placed = Catalogue.of(ARTICLES).numbered(orders)
    by_id = {row["article_id"]: row for row in ARTICLES.iter_rows(named=True)}
    return SlowMarket(
        list(placed.iter_rows(named=True)), {row["line_id"]: row for row in returns.iter_rows(named=True)}, by_id
    )


def history_of(row: dict[str, Any], scale: int) -> list[tuple[Any, ...]]:
    columns = [row[f"history_{name}"] for name in ("scale", "position", "brand", "kept", "small", "large")]
    return [tuple(entry) for at, *entry in zip(*columns, strict=True) if at == scale]


@settings(max_examples=20, deadline=None)
@given(markets)
def test_training_rows_are_what_a_slow_count_says_of_the_beginning_of_their_day(made: list[dict[str, Any]]) -> None:
    market, tables = slow(made), build(made)
    labelled = {line["line_id"]: outcome for line, outcome in market.known(AS_OF)}
    assert {row["line_id"] for row in tables.training.iter_rows(named=True)} == set(labelled)
    for row in tables.training.iter_rows(named=True):
        at = beginning_of_day(row["ordered_at"])
        assert row["outcome"] == {"kept": "fit"}.get(labelled[row["line_id"]], labelled[row["line_id"]])
        assert history_of(row, row["scale"]) == market.history(row["customer_id"], row["scale"], at)
        assert_article(market, row, at)


@settings(max_examples=20, deadline=None)
@given(markets)
def test_online_rows_are_what_a_slow_count_says_of_the_cut_off(made: list[dict[str, Any]]) -> None:
    market, tables = slow(made), build(made)
    assert tables.customers["customer_id"].to_list() == ["c0", "c1", "c2"]
    for row in tables.customers.iter_rows(named=True):
        for scale in {line["scale"] for line in market.lines}:
            assert history_of(row, scale) == market.history(row["customer_id"], scale, AS_OF)
    for row in tables.articles.iter_rows(named=True):
        assert_article(market, row, AS_OF)


def assert_article(market: SlowMarket, row: dict[str, Any], at: datetime) -> None:
    for level in LEVELS:
        expected = market.level(level, row["article_id"], row["scale"], at)
        assert {name: row[f"{level}_{name}"] for name in expected} == expected
    for index, position in enumerate(row["positions"]):
        expected = market.size(row["article_id"], position, at)
        assert {name: row[name][index] for name in SIZE_STATISTICS} == expected


def without_returns_from(cut: datetime, one: dict[str, Any]) -> dict[str, Any]:
    late = one["returned_after"] is not None and one["ordered_at"] + timedelta(hours=one["returned_after"]) >= cut
    return one | {"returned_after": None} if late else one


@settings(max_examples=30, deadline=None)
@given(markets, st.integers(1, 150))
def test_no_feature_changes_when_what_happened_later_is_removed(made: list[dict[str, Any]], day: int) -> None:
    """Whatever was ordered or returned from some day on is taken away: rows of earlier days stay as they were."""
    cut = START + timedelta(days=day)
    left = [without_returns_from(cut, one) for one in made if one["ordered_at"] < cut]
    if not left:
        return
    # A return from later on says what a line was, which is its label: it is no feature of it, and may take it away.
    whole, again = (build(lines).training.filter(pl.col("ordered_at") < cut) for lines in (made, left))
    names = [name for name in whole.columns if name not in ("outcome", "line_id")]
    key = ["customer_id", "article_id", "ordered_at", "bought", "sizes"]
    found = again.select(names).sort(key).rows()
    assert all(row in found for row in whole.select(names).sort(key).rows())


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 5), st.integers(1, 4), st.integers(0, 1))
def test_lines_divided_up_among_workers_give_the_same_bits(by_customer: int, by_article: int, shuffled: int) -> None:
    data = small_market(lines=1_500)
    market = MARKET.model_copy(update={"training": Training(shuffled_orders=shuffled)})
    whole = build_tables(market, data.lines, data.returns, data.customers, data.articles, SMALL_AS_OF)
    catalogue = Catalogue.of(data.articles)
    numbered = catalogue.numbered(data.lines.drop("position", "scale"))
    dated = with_outcomes(numbered, data.returns, market.label_maturity_days, SMALL_AS_OF)
    days = DayCounts.of(dated, windows(market, SMALL_AS_OF).calibration_from)
    own = pl.col("customer_id").hash(0) % by_customer
    groups = [
        CustomerGroup.of(
            dated.filter(own == number), data.customers.filter(own == number), catalogue, market, SMALL_AS_OF, days
        )
        for number in range(by_customer)
    ]
    bodies = [
        BodySums.merged(list(parts)).solve(SMALL_AS_OF)
        for parts in zip(*(group.body_sums() for group in groups), strict=True)
    ]
    training, articles = [], []
    for order, body in enumerate(bodies):
        described = [group.describe(order, body) for group in groups]
        wide = {level: DaySums.merged([one.wide[level] for one in described]).running() for level in described[0].wide}
        lines = pl.concat([one.lines for one in described]).sort("ordered_at", "line_id")
        for number in range(by_article):
            part = lines.filter(pl.col("article") % by_article == number)
            group = ArticleGroup.of(part, catalogue, wide, np.arange(number, len(data.articles), by_article))
            training.append(group.training())
            articles += [group.online(SMALL_AS_OF)] if order == 0 else []
    customers = pl.concat([group.online(bodies[0]) for group in groups])
    key = ["split", "ordered_at", "line_id"]
    assert pl.concat(training).sort(key).equals(whole.training.sort(key))
    assert customers.sort("customer_id").equals(whole.customers.sort("customer_id"))
    assert pl.concat(articles).sort("article_id").equals(whole.articles)
