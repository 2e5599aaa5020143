"""Feature tables: point-in-time, the same offline and online, and complete."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from libs.base.market import Market, Training
from libs.features.assembly import assemble
from libs.features.columns import (
    ARTICLE_STATISTICS,
    CUSTOMER_BODY,
    HISTORY_COUNTS,
    HISTORY_KEY,
    SIZE_STATISTICS,
)
from libs.features.frames import requests_from_training
from libs.features.persons import account_statistics
from libs.features.sizes import SCALES
from libs.features.snapshot import OnlineRow, snapshot
from libs.features.splits import HOLDOUT, SHUFFLED, TRAIN, windows
from libs.features.tables import MarketFeatures, build_tables
from libs.features.wire import pack, unpack
from tests.small_market import AS_OF, SmallMarket, small_market

# A customer's history, added up over one size scale. `kept`, `small`, `large` are outcomes; `_sum` adds size positions.
CUSTOMER_STATISTICS = (
    "kept_n",
    "kept_sum",
    "kept_sum_of_squares",
    "small_n",
    "small_sum",
    "large_n",
    "large_sum",
)

MARKET = Market(name="de", label_maturity_days=28)


@pytest.fixture(scope="module")
def data() -> SmallMarket:
    return small_market()


@pytest.fixture(scope="module")
def tables(data: SmallMarket) -> MarketFeatures:
    return build(data, AS_OF)


def build(data: SmallMarket, as_of: object, lines: pl.DataFrame | None = None) -> MarketFeatures:
    chosen = data.lines if lines is None else lines
    return build_tables(MARKET, chosen, data.returns, data.customers, data.articles, as_of)  # type: ignore[arg-type]


def slow_customer_statistics(data: SmallMarket, line: dict[str, Any]) -> dict[str, float]:
    """The obvious reference: look at every other line of the customer, one by one, as the line's day began."""
    at = beginning_of_day(line["ordered_at"])
    returns = {row["line_id"]: row for row in data.returns.iter_rows(named=True)}
    found = dict.fromkeys(CUSTOMER_STATISTICS, 0.0)
    for other in data.lines.filter(pl.col("customer_id") == line["customer_id"]).iter_rows(named=True):
        if other["ordered_at"] + timedelta(days=28) >= at:
            continue
        returned = returns.get(other["line_id"])
        if returned is not None and returned["returned_at"] < at:
            outcome = {"too_small": "small", "too_large": "large"}.get(returned["reason"])
        elif returned is not None and returned["returned_at"] <= other["ordered_at"] + timedelta(days=28):
            raise AssertionError("returned before maturity is returned before `at`")
        else:
            outcome = "kept"
        if outcome is not None:
            found[f"{outcome}_n"] += 1
            found[f"{outcome}_sum"] += other["position"]
        if outcome == "kept":
            found["kept_sum_of_squares"] += other["position"] ** 2
    return found


def beginning_of_day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def test_customer_history_equals_a_slow_obvious_count(data: SmallMarket, tables: MarketFeatures) -> None:
    rows = tables.training.sample(200, seed=1)
    account = account_statistics(requests_from_training(rows))
    for index, row in enumerate(rows.iter_rows(named=True)):
        expected = slow_customer_statistics(data, row)
        assert {name: account[name][index] for name in CUSTOMER_STATISTICS} == expected


def test_nothing_known_after_an_order_changes_its_row(data: SmallMarket, tables: MarketFeatures) -> None:
    """Cut the lake off after some order: every earlier row stays as it was."""
    cut = AS_OF - timedelta(days=60)
    earlier = build(data, AS_OF, data.lines.filter(pl.col("ordered_at") < cut))
    names = ["line_id", "body_position", *HISTORY_KEY, *HISTORY_COUNTS, *ARTICLE_STATISTICS]
    before = tables.training.filter(pl.col("ordered_at") < cut).select(names).sort("line_id")
    assert before.equals(earlier.training.select(names).sort("line_id"))
    assert len(before) > 1000


def test_online_features_assemble_to_the_same_bits_as_the_training_row(
    data: SmallMarket, tables: MarketFeatures
) -> None:
    """What the live request would have seen as the day of an order began is what training sees of it."""
    for row in tables.training.filter(pl.col("split") == HOLDOUT).sample(5, seed=2).iter_rows(named=True):
        online = build(data, beginning_of_day(row["ordered_at"]))
        customer = online.customers.row(by_predicate=pl.col("customer_id") == row["customer_id"], named=True)
        article = online.articles.row(by_predicate=pl.col("article_id") == row["article_id"], named=True)
        live = snapshot([0], [(OnlineRow(customer, row["ordered_at"]), OnlineRow(article, row["ordered_at"]))])
        offline = requests_from_training(tables.training.filter(pl.col("line_id") == row["line_id"]))
        live_rows, offline_rows = assemble(unpack(pack(live)).requests), assemble(offline.without_choice())
        assert live_rows.rows.tobytes() == offline_rows.rows.tobytes()
        assert live_rows.weight.tobytes() == offline_rows.weight.tobytes()
        pair = (OnlineRow(customer, row["ordered_at"]), OnlineRow(article, row["ordered_at"]))
        selected = snapshot([0], [pair], [row["sizes"][row["bought"]]])
        assert assemble(selected.requests).rows.tobytes() == assemble(offline).rows.tobytes()


def test_all_sizes_are_there_where_the_best_must_be_found_and_the_bought_one_where_it_is_learned(
    tables: MarketFeatures,
) -> None:
    counts = tables.training.select("split", n=pl.col("sizes").list.len())
    assert set(counts.filter(pl.col("split") != TRAIN)["n"]) == {7}
    assert set(counts.filter(pl.col("split") == TRAIN)["n"]) == {1}


def test_a_shuffled_order_gives_every_train_line_another_history_and_changes_nothing_else(
    data: SmallMarket, tables: MarketFeatures
) -> None:
    twice = MARKET.model_copy(update={"training": Training(shuffled_orders=2)})
    again = build_tables(twice, data.lines, data.returns, data.customers, data.articles, AS_OF)
    shuffled = again.training.filter(pl.col("split") == SHUFFLED)
    train = tables.training.filter(pl.col("split") == TRAIN)
    assert again.training.filter(pl.col("split") != SHUFFLED).equals(tables.training)
    assert again.customers.equals(tables.customers)
    assert again.articles.equals(tables.articles)
    taught = ["line_id", "outcome", "bought", "sizes"]
    for order in (shuffled.head(len(train)), shuffled.tail(len(train))):
        assert order.select(taught).sort("line_id").equals(train.select(taught).sort("line_id"))
        # The first days of an order know nothing, and no history is longer than all the others.
        assert 0.0 in order["market_n"]
        assert order.filter(pl.col("market_n") >= len(train)).is_empty()
    histories = shuffled.select("line_id", "article_n").sort("line_id")["article_n"].to_list()
    assert sum(first != second for first, second in zip(histories[::2], histories[1::2], strict=True)) > len(train) / 2


def test_an_online_customer_has_a_position_for_a_known_body_and_none_without(
    data: SmallMarket, tables: MarketFeatures
) -> None:
    scale = SCALES.index("apparel-women")
    known = tables.customers.filter(pl.any_horizontal(pl.col("height_cm", "weight_kg").is_not_null()))
    unknown = tables.customers.filter(pl.all_horizontal(pl.col(CUSTOMER_BODY[:2]).is_null()))
    assert known["body_positions"].list.get(scale).is_between(30, 55).all()
    assert unknown["body_positions"].list.get(scale).is_nan().all()
    assert len(unknown) > 10


def test_the_bought_index_points_at_the_bought_size(data: SmallMarket, tables: MarketFeatures) -> None:
    sizes = dict(data.lines.select("line_id", "size").iter_rows())
    for line, bought, labels in tables.training.select("line_id", "bought", "sizes").iter_rows():
        assert labels[bought] == sizes[line]


def test_splits_follow_each_other_in_time_and_end_where_labels_mature(tables: MarketFeatures) -> None:
    span = windows(MARKET, AS_OF)
    by_split = tables.training.group_by("split").agg(first=pl.col("ordered_at").min(), last=pl.col("ordered_at").max())
    times = {row["split"]: row for row in by_split.iter_rows(named=True)}
    assert times["train"]["last"] < span.calibration_from <= times["calibration"]["first"]
    assert times["calibration"]["last"] < span.holdout_from <= times["holdout"]["first"]
    assert times["holdout"]["last"] < span.mature_until


def test_every_registered_customer_is_online_also_one_without_history(data: SmallMarket) -> None:
    only_a_few = build(data, AS_OF, data.lines.head(50))
    assert only_a_few.customers["customer_id"].sort().equals(data.customers["customer_id"].sort())
    assert set(only_a_few.customers["body_positions"].list.len()) == {len(SCALES)}
    assert set(only_a_few.customers["history_kept"].list.len()) >= {0, 1}


def test_article_size_counts_are_monotone_in_the_size(tables: MarketFeatures) -> None:
    for row in tables.articles.select(SIZE_STATISTICS).iter_rows(named=True):
        for name in ("small_at_or_above", "not_large_at_or_above"):
            assert all(a >= b for a, b in pairwise(row[name]))
        for name in ("large_at_or_below", "not_small_at_or_below"):
            assert all(a <= b for a, b in pairwise(row[name]))
        assert sum(row["lines_at"]) == row["small_at_or_above"][0] + row["not_small_at_or_below"][-1]


def test_articles_that_are_offline_or_not_launched_are_not_online(data: SmallMarket) -> None:
    articles = data.articles.with_columns(
        online=pl.col("article_id") != "a0",
        launched_at=pl.when(pl.col("article_id") == "a1").then(AS_OF).otherwise(pl.col("launched_at")),
    )
    found = build_tables(MARKET, data.lines, data.returns, data.customers, articles, AS_OF).articles
    assert {"a0", "a1"}.isdisjoint(found["article_id"])
    assert len(found) == len(articles) - 2
