"""A market's days begin at its own midnight, also in the weeks in which its clock is set."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.base.market import Market
from libs.features.market_time import local, local_time
from libs.features.running_sums import day_of
from libs.features.tables import build_tables
from tests.small_market import AS_OF, small_market

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


def days(zone: str, *texts: str) -> list[int]:
    """The days of these moments in UTC, by the zone's clock, counted from the first."""
    at = pl.Series([datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts], dtype=pl.Datetime("us", "UTC"))
    found = day_of(pl.DataFrame({"at": at}).select(local("at", zone))["at"]).tolist()
    return [day - found[0] for day in found]


@given(moments, st.sampled_from(ZONES))
def test_columns_and_single_moments_are_shown_by_the_same_clock(moment: datetime, zone: str) -> None:
    shown = pl.DataFrame({"at": [moment]}, schema={"at": pl.Datetime("us", "UTC")}).select(local("at", zone)).item()
    assert shown == local_time(moment, zone)
    assert abs(shown - moment) <= timedelta(hours=14)


def test_a_day_ends_at_the_markets_midnight_and_not_at_that_of_utc() -> None:
    assert days("America/New_York", "2026-07-01T03:59", "2026-07-01T04:00", "2026-07-02T03:59") == [0, 1, 1]
    assert days("Asia/Kolkata", "2026-07-01T18:29", "2026-07-01T18:30") == [0, 1]


def test_a_day_on_which_the_clock_is_set_is_one_day() -> None:
    # 29 March 2026 has 23 hours in Berlin, 25 October 25.
    assert days("Europe/Berlin", "2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59", "2026-03-29T22:00") == [
        0,
        1,
        1,
        2,
    ]
    assert days("Europe/Berlin", "2026-10-24T21:59", "2026-10-24T22:00", "2026-10-25T22:59", "2026-10-25T23:00") == [
        0,
        1,
        1,
        2,
    ]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Phoenix"])
def test_features_of_a_market_do_not_depend_on_where_its_clock_stands(zone: str) -> None:
    data, utc = small_market(lines=1_500), Market(name="de")
    away = AS_OF - local_time(AS_OF, zone)

    def moved(table: pl.DataFrame, column: str) -> pl.DataFrame:
        return table.with_columns(pl.col(column) + away)

    found = build_tables(
        utc.model_copy(update={"time_zone": zone}),
        moved(data.lines, "ordered_at"),
        moved(data.returns, "returned_at"),
        moved(data.customers, "registered_at"),
        moved(data.articles, "launched_at"),
        AS_OF + away,
    )
    expected = build_tables(utc, data.lines, data.returns, data.customers, data.articles, AS_OF)
    for name in ("training", "customers", "articles"):
        assert getattr(found, name).equals(getattr(expected, name))


def test_a_zone_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'Europe/Bonn' is no time zone: give one like Europe/Berlin"):
        Market.model_validate({"name": "de", "time_zone": "Europe/Bonn"})
