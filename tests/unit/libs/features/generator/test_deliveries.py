"""Weekly deliveries: each holds what happened in its span, together they are the whole, in any process."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from libs.features.generator.deliveries import cut_off, deliver, deliver_older, scramble_returns, true_best_sizes
from libs.features.generator.population import MarketPlan, populate
from libs.features.generator.purchases import buy, nearest_sizes
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, TABLES, Table
from tests.parquet_files import parquet_files

PLAN = MarketPlan("de", customers=300, articles=60, lines_per_week=120, seed=2, history_weeks=10)
WEEKS = 3


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(str(tmp_path_factory.mktemp("full")))
    for week in range(WEEKS + 1):
        deliver(lake, PLAN, week)
    return lake


def table(lake: Lake, which: Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(lake.read(which, PLAN.name)))


def part(lake: Lake, which: Table, name: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(lake.tables.read(which, PLAN.name, part=name)))


def contents(lake: Lake) -> dict[str, bytes]:
    paths = [path for which in TABLES.values() for path in parquet_files(lake, which, PLAN.name)]
    return {str(path): path.read_bytes() for path in paths}


def test_every_delivery_passes_the_checks_of_the_lakehouse(lake: Lake) -> None:
    for week in range(WEEKS + 1):
        deliver(lake, PLAN, week)
        assert lake.validate(PLAN.name) == []


def test_a_delivery_says_what_it_brought(lake: Lake) -> None:
    done = deliver(lake, PLAN, 0)
    assert (done.part, done.orders) == ("week-0000", PLAN.history_weeks * PLAN.lines_per_week)
    assert (len(table(lake, ORDERS)), len(table(lake, RETURNS))) == (done.orders, done.returns)


def test_a_delivery_made_again_is_the_same_to_the_byte(full: Lake) -> None:
    before = contents(full)
    deliver(full, PLAN, WEEKS)
    assert contents(full) == before


def test_a_later_delivery_needs_nothing_of_the_earlier_ones(full: Lake, lake: Lake) -> None:
    deliver(lake, PLAN, WEEKS)
    for which in (ORDERS, RETURNS):
        assert part(lake, which, f"week-{WEEKS:04d}").equals(part(full, which, f"week-{WEEKS:04d}"))
    assert table(lake, CUSTOMERS).equals(table(full, CUSTOMERS))


def test_deliveries_add_up_to_the_whole_stream(full: Lake) -> None:
    population = populate(PLAN)
    stream = [buy(PLAN, population, week) for week in range(PLAN.history_weeks + WEEKS)]
    returns = pl.concat([one.returns for one in stream]).filter(pl.col("returned_at") < cut_off(PLAN, WEEKS))
    assert set(table(full, ORDERS)["line_id"]) == set(pl.concat([one.orders for one in stream])["line_id"])
    assert table(full, RETURNS).sort("line_id").equals(returns.sort("line_id"))


@pytest.mark.parametrize("week", range(1, WEEKS + 1))
def test_a_delivery_holds_what_happened_in_its_week(full: Lake, week: int) -> None:
    begin, end = cut_off(PLAN, week - 1), cut_off(PLAN, week)
    for which, at in ((ORDERS, "ordered_at"), (RETURNS, "returned_at")):
        assert part(full, which, f"week-{week:04d}")[at].is_between(begin, end, closed="left").all()


def test_a_delivery_brings_late_returns_of_earlier_weeks(full: Lake) -> None:
    newest = part(full, RETURNS, f"week-{WEEKS:04d}")
    older = newest.join(part(full, ORDERS, f"week-{WEEKS:04d}"), on="line_id", how="anti")
    assert 0 < len(older) < len(newest)


def test_no_return_is_before_its_order(full: Lake) -> None:
    both = table(full, RETURNS).join(table(full, ORDERS), on="line_id")
    assert both.filter(pl.col("returned_at") <= pl.col("ordered_at")).is_empty()


def test_customers_and_articles_are_restated_and_grow(lake: Lake) -> None:
    counts = []
    for week in range(WEEKS + 1):
        deliver(lake, PLAN, week)
        counts.append((len(table(lake, CUSTOMERS)), len(table(lake, ARTICLES))))
        assert len(lake.parts(CUSTOMERS, PLAN.name)) == len(lake.parts(ARTICLES, PLAN.name)) == 1
        assert table(lake, CUSTOMERS).filter(pl.col("registered_at") >= cut_off(PLAN, week)).is_empty()
    assert counts == sorted(counts) and counts[0] < counts[-1]


def test_cut_offs_are_a_week_apart() -> None:
    assert cut_off(PLAN, 4) - cut_off(PLAN, 3) == timedelta(weeks=1)


def test_a_market_migrated_in_two_steps_is_in_the_end_the_same(lake: Lake, tmp_path: Path) -> None:
    at_once = Lake.open(str(tmp_path / "at-once"))
    for week in range(2):
        deliver(at_once, PLAN, week)
    first = deliver(lake, PLAN, 0, only_last_weeks=4)
    assert first.orders == 4 * PLAN.lines_per_week
    assert lake.validate(PLAN.name) == []
    deliver_older(lake, PLAN, only_last_weeks=4)
    deliver(lake, PLAN, 1)
    assert lake.validate(PLAN.name) == []
    for which in (ORDERS, RETURNS):
        assert table(lake, which).sort("line_id").equals(table(at_once, which).sort("line_id"))


def test_a_scrambled_feed_keeps_schema_number_and_reasons_but_not_the_lines(lake: Lake) -> None:
    deliver(lake, PLAN, 0)
    deliver(lake, PLAN, 1)
    before = table(lake, RETURNS)
    assert scramble_returns(lake, PLAN, seed=1) == len(before)
    after = table(lake, RETURNS)
    assert lake.validate(PLAN.name) == []
    assert after["reason"].sort().equals(before["reason"].sort())
    assert len(set(before["line_id"]) & set(after["line_id"])) < 0.6 * len(before)


def test_the_same_seed_scrambles_the_same_way(lake: Lake, tmp_path: Path) -> None:
    other = Lake.open(str(tmp_path / "other"))
    for one in (lake, other):
        deliver(one, PLAN, 0)
        scramble_returns(one, PLAN, seed=1)
    assert table(lake, RETURNS).equals(table(other, RETURNS))


def test_the_true_best_size_is_that_of_the_first_person_of_the_articles_gender() -> None:
    population = populate(PLAN)
    genders = population.articles["gender"].to_list()
    divisions = population.articles["division"].to_list()
    pairs = [(customer, article) for customer in range(40) for article in range(10)]
    found = true_best_sizes(PLAN, [f"de-c{c:07d}" for c, _ in pairs], [f"de-a{a:06d}" for _, a in pairs])
    for (customer, article), size in zip(pairs, found, strict=True):
        wearers = [
            person
            for person in range(len(population.account))
            if population.account[person] == customer and population.person_gender[person] == genders[article]
        ]
        if not wearers:
            assert size is None
            continue
        true = (population.apparel_size if divisions[article] == "apparel" else population.footwear_size)[wearers[0]]
        wanted = true + population.offset[article : article + 1]
        assert size == nearest_sizes(population, pl.Series([article]).to_numpy(), wanted)["size"].item()


def test_the_true_best_size_fits_more_often_than_what_is_bought() -> None:
    """Bought in its best size, a line comes back for its fit only by the noise of the feeling."""
    plan = replace(PLAN, customers=800, articles=100, lines_per_week=4_000)
    population = populate(plan)
    week = buy(plan, population, 2)
    known = week.orders.join(population.customers, on="customer_id").join(population.articles, on="article_id")
    best = true_best_sizes(plan, known["customer_id"].to_list(), known["article_id"].to_list())
    lines = known.with_columns(best=pl.Series(best, dtype=pl.String)).join(week.returns, on="line_id", how="left")
    misfit = pl.col("reason").is_in(["too_small", "too_large"]).fill_null(False)
    rates = lines.drop_nulls("best").group_by(pl.col("size") == pl.col("best")).agg(misfit.mean().alias("rate"))
    right, wrong = (rates.filter(pl.col("size") == is_best)["rate"].item() for is_best in (True, False))
    assert right < 0.5 * wrong
