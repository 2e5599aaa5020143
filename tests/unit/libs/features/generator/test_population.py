"""A made-up market's people and articles: the same plan makes the same ones, and sizes follow bodies."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from libs.features.generator.population import MarketPlan, Population, populate
from libs.features.schema import DIVISIONS, GENDERS, SIZE_SYSTEMS
from libs.features.sizes import position, scale_of

PLAN = MarketPlan("de", customers=3_000, articles=400, lines_per_week=500, seed=2)


@pytest.fixture(scope="module")
def population() -> Population:
    return populate(PLAN)


def test_the_same_plan_makes_the_same_market(population: Population) -> None:
    again = populate(PLAN)
    assert again.customers.equals(population.customers)
    assert again.articles.equals(population.articles)
    assert np.array_equal(again.apparel_size, population.apparel_size)
    assert np.array_equal(again.offset, population.offset)


def test_another_seed_makes_another_market(population: Population) -> None:
    assert not populate(replace(PLAN, seed=3)).customers.equals(population.customers)


def test_any_seed_makes_a_market() -> None:
    """Also one whose first customer does not tell a gender."""
    first = [populate(MarketPlan("de", 20, 20, 20, seed)).customers["gender"][0] for seed in range(40)]
    assert set(first) == {"women", "men", None}


def test_more_lines_a_week_do_not_change_who_there_is(population: Population) -> None:
    assert populate(replace(PLAN, lines_per_week=9)).customers.equals(population.customers)


def test_there_are_as_many_customers_and_articles_as_planned(population: Population) -> None:
    assert population.customers["customer_id"].n_unique() == PLAN.customers
    assert population.articles["article_id"].n_unique() == PLAN.articles


def test_an_account_has_one_to_three_people_and_mostly_one(population: Population) -> None:
    people = np.bincount(population.account)
    assert set(people) == {1, 2, 3}
    assert (people == 1).mean() > 0.6


def test_about_a_third_of_customers_tells_no_measures(population: Population) -> None:
    assert population.customers["height_cm"].null_count() / PLAN.customers == pytest.approx(0.35, abs=0.04)


def test_taller_customers_wear_larger_sizes(population: Population) -> None:
    main = np.flatnonzero(np.diff(population.account, prepend=-1))
    for gender in ("women", "men"):
        told = population.customers["height_cm"].is_not_null().to_numpy() & (population.person_gender[main] == gender)
        height = population.customers["height_cm"].to_numpy()[told]
        for size in (population.apparel_size, population.footwear_size):
            assert np.corrcoef(height, size[main][told])[0, 1] > 0.3


def test_what_a_customer_says_of_gender_is_the_main_wearers(population: Population) -> None:
    main = np.flatnonzero(np.diff(population.account, prepend=-1))
    said = population.customers["gender"]
    told = said.is_not_null()
    assert said.filter(told).to_list() == population.person_gender[main][told.to_numpy()].tolist()


def test_brands_run_small_and_large_and_articles_of_a_brand_agree(population: Population) -> None:
    steps = population.articles.select("brand", offset=pl.Series(population.offset / population.step))
    brands = steps.group_by("brand").agg(mean=pl.col("offset").mean(), spread=pl.col("offset").std())
    means, spreads = brands["mean"].to_numpy(), brands["spread"].to_numpy()
    assert means.min() < -0.5 < 0.5 < means.max()
    assert 0 < spreads.mean() < means.std()


def test_articles_use_declared_values_only(population: Population) -> None:
    articles = population.articles
    assert set(articles["division"]) == set(DIVISIONS)
    assert set(articles["gender"]) <= set(GENDERS)
    assert set(articles["size_system"]) <= set(SIZE_SYSTEMS)


@pytest.mark.parametrize("systems", [("EU", "letter", "waist"), ("US", "letter", "waist"), ("UK",)])
def test_every_size_of_every_article_has_a_place_in_rising_order(systems: tuple[str, ...]) -> None:
    articles = populate(replace(PLAN, systems=systems)).articles
    assert set(articles["size_system"]) == set(systems)
    for row in articles.iter_rows(named=True):
        scale = scale_of(row["division"], row["gender"])
        positions = [position(scale, row["size_system"], label) for label in row["sizes"]]
        placed = [one for one in positions if one is not None]
        assert placed == sorted(set(placed)) and len(placed) == len(positions) > 1


def test_only_jeans_are_sized_by_waist(population: Population) -> None:
    assert set(population.articles.filter(pl.col("size_system") == "waist")["category"]) == {"jeans"}


def test_some_customers_and_articles_come_after_the_first_week(population: Population) -> None:
    assert population.customers["registered_at"].n_unique() > 100
    assert population.articles["launched_at"].n_unique() > 100
