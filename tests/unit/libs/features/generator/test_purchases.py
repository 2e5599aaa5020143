"""Purchases follow from true sizes and offsets: what is off comes back, and says why most of the time."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from libs.features.generator.population import MarketPlan, Population, populate
from libs.features.generator.purchases import Week, buy, nearest_sizes, true_size

PLAN = MarketPlan("de", customers=2_000, articles=300, lines_per_week=2_000, seed=2)


def count(reasons: pl.Series, reason: str) -> int:
    return reasons.to_list().count(reason)


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(PLAN)


@pytest.fixture(scope="module")
def week(population: Population) -> Week:
    return buy(PLAN, population, 3)


def test_the_same_week_is_bought_the_same_way(population: Population, week: Week) -> None:
    again = buy(PLAN, population, 3)
    assert again.orders.equals(week.orders)
    assert again.returns.equals(week.returns)


def test_weeks_differ_and_share_no_line(population: Population, week: Week) -> None:
    other = buy(PLAN, population, 4)
    assert not set(week.orders["line_id"]) & set(other.orders["line_id"])
    assert set(other.orders["ordered_at"].dt.week()).isdisjoint(week.orders["ordered_at"].dt.week())


def test_a_week_has_the_planned_number_of_lines_within_seven_days(week: Week) -> None:
    assert len(week.orders) == week.orders["line_id"].n_unique() == PLAN.lines_per_week
    assert week.orders.select((pl.col("ordered_at").max() - pl.col("ordered_at").min()).dt.total_days()).item() < 7


def test_nobody_buys_before_being_registered_nor_an_article_before_its_launch(
    population: Population, week: Week
) -> None:
    known = week.orders.join(population.customers, on="customer_id").join(population.articles, on="article_id")
    assert known.filter(pl.col("registered_at") > pl.col("ordered_at")).is_empty()
    assert known.filter(pl.col("launched_at") > pl.col("ordered_at")).is_empty()


def test_only_sizes_that_the_article_has_are_bought(population: Population, week: Week) -> None:
    known = week.orders.join(population.articles, on="article_id")
    assert known.select(pl.col("sizes").list.contains(pl.col("size")).all()).item()


def test_a_line_comes_back_at_most_once_and_one_to_45_days_later(week: Week) -> None:
    assert week.returns["line_id"].n_unique() == len(week.returns)
    days = week.returns.join(week.orders, on="line_id").select(
        (pl.col("returned_at") - pl.col("ordered_at")).dt.total_seconds() / 86_400
    )["returned_at"]
    assert len(days) == len(week.returns)
    assert days.is_between(1, 45).all()
    assert 0 < (days > 25).sum() / len(days) < 0.1


def test_a_few_lines_name_guests_and_unknown_articles(population: Population, week: Week) -> None:
    guests = week.orders.join(population.customers, on="customer_id", how="anti")
    unknown = week.orders.join(population.articles, on="article_id", how="anti")
    assert 0 < len(guests) / len(week.orders) < 0.03
    assert 0 < len(unknown) / len(week.orders) < 0.01


def test_a_few_lines_are_resale_and_some_are_bought_in_stores(week: Week) -> None:
    assert 0 < (week.orders["quantity"] >= 5).sum() / len(week.orders) < 0.02
    assert set(week.orders["channel"]) == {"web", "app", "store"}


def test_outcomes_have_the_shares_of_the_trade() -> None:
    """Over markets, since one market's brands may run small or large."""
    kept = small = large = 0
    for seed in (2, 4, 8, 10):
        plan = replace(PLAN, seed=seed)
        people = populate(plan)
        bought = [buy(plan, people, week) for week in range(2)]
        reasons = pl.concat([one.returns for one in bought])["reason"]
        small += count(reasons, "too_small")
        large += count(reasons, "too_large")
        kept += sum(len(one.orders) for one in bought) - len(reasons)
    labelled = kept + small + large
    assert 0.60 < kept / labelled < 0.80
    assert 0.08 < small / labelled < 0.20
    assert 0.08 < large / labelled < 0.22


def test_an_article_that_runs_small_comes_back_too_small(population: Population) -> None:
    """With all offsets up by a step, everyone needs a size more: more is too small, less too large."""
    runs_small = replace(population, offset=population.offset + population.step)
    as_is, shifted = (buy(PLAN, people, 3).returns["reason"] for people in (population, runs_small))
    assert count(shifted, "too_small") > 1.5 * count(as_is, "too_small")
    assert count(shifted, "too_large") < 0.5 * count(as_is, "too_large")


def test_the_nearest_size_rises_by_one_with_the_wanted_position(population: Population) -> None:
    rng = np.random.default_rng(1)
    women = np.flatnonzero(population.person_gender == "women")
    for_women = np.flatnonzero((population.articles["gender"] == "women").to_numpy())
    people, articles = rng.choice(women, 500), rng.choice(for_women, 500)
    wanted = true_size(population, people, articles) + population.offset[articles]
    stocked = population.articles["sizes"].gather(articles).to_list()
    before, after = (
        [
            sizes.index(size)
            for sizes, size in zip(stocked, nearest_sizes(population, articles, at)["size"], strict=True)
        ]
        for at in (wanted, wanted + population.step[articles])
    )
    first = nearest_sizes(population, articles, np.full(500, -1e9))["position"].to_numpy()
    within = wanted >= first - population.step[articles] / 2
    assert within.mean() > 0.9
    for sizes, low, high, inside in zip(stocked, before, after, within, strict=True):
        assert not inside or high == min(low + 1, len(sizes) - 1)


def test_the_nearest_size_of_a_stocked_position_is_that_size(population: Population) -> None:
    articles = np.arange(PLAN.articles)
    some = nearest_sizes(population, articles, np.full(PLAN.articles, 42.0))
    assert nearest_sizes(population, articles, some["position"].to_numpy()).equals(some)


def test_true_sizes_are_of_the_articles_division(population: Population) -> None:
    apparel = (population.articles["division"] == "apparel").to_numpy()
    people = np.zeros(PLAN.articles, dtype=np.int64)
    sizes = true_size(population, people, np.arange(PLAN.articles))
    assert set(sizes[apparel]) == {population.apparel_size[0]}
    assert set(sizes[~apparel]) == {population.footwear_size[0]}
