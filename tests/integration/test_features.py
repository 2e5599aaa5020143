"""Features through the real Ray Data and the real Redis."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.market import Validation
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.preprocess import Failed, Prepared, preprocess
from libs.features.schema import ORDERS, RETURNS, TABLES
from libs.features.validation.profile import TableProfile
from tests.parquet_files import parquet_files

PLANS = {name: MarketPlan(name, 400, 80, 400, seed) for name, seed in (("de", 2), ("us", 4))}
AS_OF = cut_off(PLANS["de"], 0)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.open(str(tmp_path_factory.mktemp("lake")))
    for name in ("de", "us", "nobody"):
        deliver(made, replace(PLANS.get(name, PLANS["de"]), name=name), 0)
    return made


@pytest.fixture(scope="module")
def ray_cluster(endpoints: Endpoints) -> Iterator[None]:
    with connected(endpoints):
        yield


def break_orders(lake: Lake, market: str, change: pl.Expr) -> None:
    """Change a delivered file behind the lake's back, as a broken upstream would."""
    path = parquet_files(lake, ORDERS, market)[0]
    rows = pl.DataFrame(pl.from_arrow(pq.read_table(path, partitioning=None))).with_columns(change)
    nullable = pa.schema([column.with_nullable(True) for column in ORDERS.schema])
    pq.write_table(rows.select(ORDERS.schema.names).to_arrow().cast(nullable), path)


@pytest.fixture(scope="module")
def broken(lake: Lake) -> Lake:
    """Markets whose deliveries break the schema, each in its own way."""
    for name in ("nulls", "badvalue", "twice", "nocolumn", "noreturns", "lenient"):
        deliver(lake, replace(PLANS["de"], name=name), 0)
    break_orders(lake, "nulls", pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("size").alias("size"))
    break_orders(lake, "badvalue", pl.lit(0, pl.Int32).alias("quantity"))
    break_orders(lake, "lenient", pl.when(pl.int_range(pl.len()) < 7).then(0).otherwise("quantity").alias("quantity"))
    break_orders(lake, "twice", pl.lit("same").alias("line_id"))
    path = parquet_files(lake, ORDERS, "nocolumn")[0]
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["channel"]), path)
    for path in parquet_files(lake, RETURNS, "noreturns"):
        path.unlink()
    return lake


@pytest.fixture(scope="module")
def prepared(
    ray_cluster: None, broken: Lake, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Prepared | Failed]:
    """One execution over good and bad markets together."""
    names = ("de", "us", "nobody", "empty", "nulls", "badvalue", "twice", "nocolumn", "noreturns", "lenient")
    markets = {
        name: environment.markets.get(name, environment.market("de")).model_copy(update={"name": name})
        for name in names
    }
    markets["lenient"] = markets["lenient"].model_copy(update={"validation": Validation(values="warn")})
    return preprocess(broken.root, markets, AS_OF, tmp_path_factory.mktemp("run"))


def bytes_of(folder: str) -> dict[str, bytes]:
    """What the files of a table hold, by name."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_market_without_an_order_before_the_cut_off_fails_by_name(
    ray_cluster: None, lake: Lake, environment: Environment, tmp_path: Path
) -> None:
    early = AS_OF - timedelta(days=10_000)
    failed = preprocess(lake.root, {"de": environment.market("de")}, early, tmp_path)["de"]
    assert isinstance(failed, Failed)
    assert re.search(r"'de' has no order line before \d{4}-\d\d-\d\d that passes its rules", failed.reason)


def test_good_markets_go_on_beside_bad_ones(prepared: dict[str, Prepared | Failed]) -> None:
    for name in ("de", "us"):
        week = prepared[name]
        assert isinstance(week, Prepared)
        assert week.lines_in == 26 * 400
        assert week.lines_out == week.funnel[-1].rows_out < week.lines_in
        assert [step.rows_in for step in week.funnel[1:]] == [step.rows_out for step in week.funnel[:-1]]
        assert 0 < week.labelled < week.lines_out
        assert len(pl.read_parquet(week.training_path)) == week.labelled


@pytest.mark.parametrize(
    ("market", "reason"),
    [
        ("empty", r"table 'customers' has no data for market 'empty'.*fitwave lake generate"),
        ("nobody", r"no order line .* passes its rules \(fax only: 10400 -> 0\)"),
        ("nulls", r"table 'orders' of market 'nulls': size is null in 1 rows, such as \[\{.*'line_id'"),
        ("badvalue", r"quantity is outside 1 to 10000 in \d+ rows"),
        ("twice", r"line_id must be unique: 1 values repeat, such as \['same'\]"),
        ("nocolumn", r"breaks the schema of 'orders': column 'channel' \(string\) is absent"),
        ("noreturns", r"table 'returns' has no data for market 'noreturns'"),
    ],
)
def test_a_bad_market_says_what_is_wrong_and_where(
    prepared: dict[str, Prepared | Failed], market: str, reason: str
) -> None:
    failed = prepared[market]
    assert isinstance(failed, Failed)
    assert failed.stage == "preprocess"
    assert re.search(reason, failed.reason), failed.reason


def test_rows_that_break_something_are_left_out_where_the_config_says_so_and_every_row_is_accounted_for(
    prepared: dict[str, Prepared | Failed],
) -> None:
    week = prepared["lenient"]
    assert isinstance(week, Prepared)
    assert [(one.table, one.column, one.rows) for one in week.left_out] == [("orders", "quantity", 7)]
    assert week.lines_in + 7 == 26 * 400


def test_a_week_knows_its_tables_profile(prepared: dict[str, Prepared | Failed], lake: Lake) -> None:
    week = prepared["de"]
    assert isinstance(week, Prepared)
    assert week.left_out == []
    assert list(week.profile.tables) == list(TABLES)
    for name, table in TABLES.items():
        rows = pl.DataFrame(pl.from_arrow(lake.read(table, "de")))
        assert week.profile.tables[name] == TableProfile.of(table, rows, AS_OF)
    assert week.profile.unknown_references == 0


def test_running_a_week_again_gives_the_same_bytes(
    ray_cluster: None,
    lake: Lake,
    environment: Environment,
    prepared: dict[str, Prepared | Failed],
    tmp_path: Path,
) -> None:
    first = prepared["de"]
    again = preprocess(lake.root, {"de": environment.market("de")}, AS_OF, tmp_path)["de"]
    assert isinstance(first, Prepared)
    assert isinstance(again, Prepared)
    for kind in ("training_path", "customers_path", "articles_path"):
        assert bytes_of(getattr(again, kind)) == bytes_of(getattr(first, kind))


def test_what_happens_after_the_cut_off_is_not_read(
    ray_cluster: None,
    lake: Lake,
    environment: Environment,
    prepared: dict[str, Prepared | Failed],
    tmp_path: Path,
) -> None:
    first = prepared["us"]
    deliver(lake, PLANS["us"], 1)
    later = preprocess(lake.root, {"us": environment.market("us")}, AS_OF, tmp_path)["us"]
    assert isinstance(first, Prepared)
    assert isinstance(later, Prepared)
    assert bytes_of(later.training_path) == bytes_of(first.training_path)


def test_a_market_is_the_same_wherever_its_clock_stands(
    ray_cluster: None, environment: Environment, tmp_path: Path, prepared: dict[str, Prepared | Failed]
) -> None:
    """Of what happens by the market's own clock, nothing depends on how far that is from UTC."""
    tokyo, hours = Lake.open(str(tmp_path / "lake")), timedelta(hours=9)
    deliver(tokyo, PLANS["de"], 0)
    for table in TABLES.values():
        rows = pl.DataFrame(pl.from_arrow(tokyo.read(table, "de")))
        tokyo.tables.remove(table, "de")
        tokyo.write_frame(table, "de", "all", rows.with_columns(pl.col(table.at) - hours))
    market = environment.market("de").model_copy(update={"time_zone": "Asia/Tokyo"})
    found, whole = preprocess(tokyo.root, {"de": market}, AS_OF - hours, tmp_path)["de"], prepared["de"]
    assert isinstance(found, Prepared)
    assert isinstance(whole, Prepared)
    for kind in ("training_path", "customers_path", "articles_path"):
        assert bytes_of(getattr(found, kind)) == bytes_of(getattr(whole, kind))
    as_utc = preprocess(tokyo.root, {"de": environment.market("de")}, AS_OF - hours, tmp_path / "utc")["de"]
    assert isinstance(as_utc, Prepared)
    assert bytes_of(as_utc.training_path) != bytes_of(whole.training_path)


def test_a_market_of_many_groups_has_the_tables_of_one(
    ray_cluster: None,
    lake: Lake,
    environment: Environment,
    prepared: dict[str, Prepared | Failed],
    tmp_path: Path,
) -> None:
    market = environment.market("de")
    again = preprocess(lake.root, {"de": market}, AS_OF, tmp_path, lines_per_group=2_500)["de"]
    whole = prepared["de"]
    assert isinstance(again, Prepared)
    assert isinstance(whole, Prepared)
    assert len(list(Path(again.training_path).iterdir())) == 5
    assert (again.funnel, again.labelled, again.lines_out) == (whole.funnel, whole.labelled, whole.lines_out)
    for kind, key in (("training_path", "line_id"), ("customers_path", "customer_id"), ("articles_path", "article_id")):
        tables = [pl.read_parquet(getattr(one, kind)).sort(key) for one in (again, whole)]
        assert tables[0].equals(tables[1]), kind


def test_a_line_that_two_customers_have_is_found_among_all_groups(
    ray_cluster: None, lake: Lake, environment: Environment, tmp_path: Path
) -> None:
    deliver(lake, replace(PLANS["de"], name="shared"), 0)
    repeated = pl.when(pl.int_range(pl.len()) < 2).then(pl.lit("same")).otherwise("line_id").alias("line_id")
    break_orders(lake, "shared", repeated)
    market = environment.market("de").model_copy(update={"name": "shared"})
    failed = preprocess(lake.root, {"shared": market}, AS_OF, tmp_path, lines_per_group=2_500)["shared"]
    assert isinstance(failed, Failed)
    assert "line_id must be unique: 1 values repeat, such as ['same']" in failed.reason
