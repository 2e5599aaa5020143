"""Profiles of parts add up to the profile of the whole, and the latest of an earlier week is found again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from libs.features.schema import CUSTOMERS, ORDERS
from libs.features.validation.profile import Profile, TableProfile

AS_OF = datetime(2026, 7, 6, tzinfo=UTC)


def orders(days_before: list[float], channels: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"ordered_at": [AS_OF - timedelta(days=days) for days in days_before], "channel": channels},
        schema={"ordered_at": pl.Datetime("us", "UTC"), "channel": pl.String},
    )


def customers(days_before: list[float], heights: list[float | None]) -> pl.DataFrame:
    optional = [column.name for column in CUSTOMERS.schema if column.nullable]
    return pl.DataFrame(
        {"registered_at": [AS_OF - timedelta(days=days) for days in days_before], "height_cm": heights},
        schema={"registered_at": pl.Datetime("us", "UTC"), "height_cm": pl.Float64},
    ).with_columns(pl.lit(None, pl.String).alias(name) for name in optional if name != "height_cm")


def test_rows_at_or_after_the_cut_off_are_not_there() -> None:
    found = TableProfile.of(ORDERS, orders([0, -1, 1], ["web"] * 3), AS_OF)
    assert (found.rows, found.recent) == (1, 1)


def test_the_last_seven_days_are_recent() -> None:
    found = TableProfile.of(ORDERS, orders([1, 7, 7.001], ["web", "app", "store"]), AS_OF)
    assert (found.rows, found.recent) == (3, 2)


def test_a_growing_table_has_categories_of_its_recent_rows_and_a_restated_one_of_all() -> None:
    grown = TableProfile.of(ORDERS, orders([1, 30], ["web", "store"]), AS_OF)
    assert grown.categories == {"channel": {"web": 1}}
    rows = customers([1, 300], [None, 170.0]).with_columns(gender=pl.Series(["women", None]))
    restated = TableProfile.of(CUSTOMERS, rows, AS_OF)
    assert restated.categories == {"gender": {"women": 1, "None": 1}}
    assert (restated.nulls["height_cm"], restated.nulls["gender"], restated.nulls["weight_kg"]) == (1, 1, 2)


@given(st.lists(st.tuples(st.floats(0.01, 30), st.sampled_from(["web", "app", "store"])), max_size=30), st.data())
def test_parts_add_up_to_the_whole(rows: list[tuple[float, str]], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    whole = orders([days for days, _ in rows], [channel for _, channel in rows])
    bounds = [0, *cuts, len(rows)]
    parts = [whole.slice(low, high - low) for low, high in pairwise(bounds)]
    merged = TableProfile.merged(TableProfile.of(ORDERS, part, AS_OF) for part in parts)
    assert merged == TableProfile.of(ORDERS, whole, AS_OF)


def profile(as_of: datetime, rows: int) -> Profile:
    return Profile("de", as_of, {"orders": TableProfile(rows, 2, {}, {"channel": {"web": 2}})}, 0.25)


def test_the_latest_week_before_is_found_and_not_the_same_or_a_later_one(tmp_path: Path) -> None:
    assert Profile.before(tmp_path, "de", AS_OF) is None
    for week in (-1, 0, 1, -2):
        profile(AS_OF + timedelta(weeks=week), 100 + week).save(tmp_path)
    assert Profile.before(tmp_path, "de", AS_OF) == profile(AS_OF - timedelta(weeks=1), 99)
    assert Profile.before(tmp_path, "us", AS_OF) is None
