"""A trained model behaves as a fitter would, whoever asks about whatever."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.base.market import Market, Training
from libs.features.snapshot import OnlineRow, Snapshot, snapshot
from libs.features.tables import build_tables
from libs.models.lines import named_size
from libs.models.outcomes import LARGE, SMALL
from libs.models.package import Package
from libs.models.training import Fitted, fit_market
from tests.anybody import article, customer
from tests.small_market import AS_OF, SmallMarket, small_market

QUESTIONS = 8
# A mixture of two people's probabilities is a sum, which may be off by a rounding.
ROUNDING = 1e-12


def anybody_about_anything(seed: int) -> Snapshot:
    """Questions of known customers and unknown ones, some of whom have chosen a size."""
    rng = np.random.default_rng(seed)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    articles = [article(rng) for _ in range(QUESTIONS)]
    pairs = [(OnlineRow(customer(rng), now) if rng.random() < 0.9 else None, OnlineRow(one, now)) for one in articles]
    selected = [str(rng.choice(one["sizes"])) if rng.random() < 0.5 else None for one in articles]
    return snapshot(list(range(QUESTIONS)), pairs, selected)


def assert_monotone(package: Package, seen: Snapshot) -> None:
    predicted = package.predict(seen.requests)
    within = np.diff(seen.requests.question_of_size) == 0
    steps = np.diff(predicted, axis=0)[within]
    assert (predicted >= 0).all()
    assert predicted.sum(axis=1) == pytest.approx(1)
    assert (steps[:, SMALL] <= ROUNDING).all()
    assert (steps[:, LARGE] >= -ROUNDING).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_larger_size_is_never_more_likely_too_small_nor_less_likely_too_large(fitted: Fitted, seed: int) -> None:
    assert_monotone(fitted.package, anybody_about_anything(seed))


def two_in_one_account(data: SmallMarket) -> tuple[SmallMarket, dict[str, tuple[float, float]]]:
    """Customers far apart in size share an account, half each; by account the two sizes that are worn."""
    worn = (
        data.lines.join(data.returns, on="line_id", how="anti")
        .group_by("customer_id")
        .agg(pl.col("position").mode().min().alias("usual"))
        .sort("usual", "customer_id")
    )
    ids, usual = worn["customer_id"].to_list(), worn["usual"].to_list()
    half = len(ids) // 4
    shared = dict(zip(ids[-half:], ids[:half], strict=True))
    lines = data.lines.with_columns(pl.col("customer_id").replace(shared))
    sizes = dict(zip(ids, usual, strict=True))
    accounts = {first: (sizes[first], sizes[second]) for second, first in shared.items()}
    return replace(data, lines=lines), accounts


def test_two_people_of_an_account_do_not_average_into_a_size_that_nobody_wears(tmp_path: Any) -> None:
    data, accounts = two_in_one_account(small_market(seed=3, lines=8_000, customers=240))
    market = Market(name="de", training=Training(rounds=30, min_child_weight=5))
    tables = build_tables(market, data.lines, data.returns, data.customers, data.articles, AS_OF)
    tables.training.write_parquet(tmp_path / "training.parquet")
    package = fit_market(market, str(tmp_path / "training.parquet"), champion=None).package
    rows = {row["customer_id"]: OnlineRow(row, AS_OF) for row in tables.customers.iter_rows(named=True)}
    first_article = OnlineRow(tables.articles.row(0, named=True), AS_OF)
    apart = {account: pair for account, pair in accounts.items() if pair[1] - pair[0] >= 6}
    assert len(apart) > 30
    asked = snapshot(list(range(len(apart))), [(rows[account], first_article) for account in apart])
    best, _ = named_size(package.predict(asked.requests), asked.requests.offsets)
    named = asked.requests.size_values["positions"][asked.requests.offsets[:-1] + best]
    of_somebody = [min(abs(size - one) for one in pair) <= 1 for size, pair in zip(named, apart.values(), strict=True)]
    assert np.mean(of_somebody) > 0.9
