"""One contract for the three table formats: parts are replaced whole, versions stay readable or are refused."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table.update.spec import UpdateSpec

from libs.base.errors import DataError
from libs.features.lake import Lake, LakeVersion
from libs.features.schema import ARTICLES, ORDERS, RETURNS, TABLES, Table

DAY = datetime(2026, 3, 2, tzinfo=UTC)
FORMATS = ("parquet", "delta", "iceberg")
KEEPING_VERSIONS = ("delta", "iceberg")
PREFIX = {"parquet": "", "delta": "delta+", "iceberg": "iceberg+"}
ROW: dict[str, dict[str, Any]] = {
    "customers": {"customer_id": "c1", "registered_at": DAY},
    "articles": {
        **dict.fromkeys(("article_id", "brand", "category"), "a"),
        **{"division": "apparel", "gender": "women", "size_system": "EU", "sizes": ["36", "38"]},
        **{"launched_at": DAY, "online": True},
    },
    "orders": {
        **{"order_id": "o1", "line_id": "l1", "customer_id": "c1", "article_id": "a"},
        **{"size": "36", "ordered_at": DAY, "quantity": 1, "channel": "web"},
    },
    "returns": {"line_id": "l1", "returned_at": DAY + timedelta(days=9), "reason": "too_small"},
}


def rows(table: Table, *changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([ROW[table.name] | change for change in changes], schema=table.schema)


def lines(*ids: str) -> pa.Table:
    return rows(ORDERS, *({"line_id": one} for one in ids))


def ids(lake: Lake, market: str = "de", version: LakeVersion | None = None) -> list[str]:
    found = lake.read(ORDERS, market, version.tables["orders"] if version else None)
    return sorted(found["line_id"].to_pylist())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture(params=FORMATS)
def lake(request: pytest.FixtureRequest, folder: Path) -> Lake:
    return Lake.open(f"{PREFIX[request.param]}{folder}")


def full(lake: Lake) -> Lake:
    for table in TABLES.values():
        lake.write(table, "de", "all", rows(table, {}))
    return lake


def test_every_table_is_read_back_as_it_was_written(lake: Lake) -> None:
    full(lake)
    for table in TABLES.values():
        assert lake.read(table, "de").cast(table.schema).equals(rows(table, {}))
    assert lake.validate("de") == []


def test_looking_at_a_lake_that_is_not_there_finds_nothing_and_makes_nothing(lake: Lake, folder: Path) -> None:
    assert (lake.markets(), lake.parts(ORDERS, "de"), lake.count(ORDERS, "de")) == ([], [], 0)
    with pytest.raises(DataError, match="no data for market 'de'"):
        lake.read(ORDERS, "de")
    lake.remove("de")
    assert not folder.exists()


def test_parts_come_together_and_each_is_replaced_alone(lake: Lake) -> None:
    lake.write(ORDERS, "de", "week-0001", lines("l1", "l2"))
    lake.write(ORDERS, "de", "week-0002", lines("l3"))
    lake.write(ORDERS, "us", "week-0001", lines("other"))
    lake.write(ORDERS, "de", "week-0001", lines("l1"))
    assert lake.parts(ORDERS, "de") == ["week-0001", "week-0002"]
    assert (ids(lake), lake.count(ORDERS, "de")) == (["l1", "l3"], 2)
    assert (ids(lake, "us"), lake.markets()) == (["other"], ["de", "us"])


def test_an_empty_part_is_taken(lake: Lake) -> None:
    lake.write(RETURNS, "de", "week-0001", rows(RETURNS))
    lake.write(RETURNS, "de", "week-0002", rows(RETURNS, {}))
    assert lake.read(RETURNS, "de").num_rows == 1


def test_a_market_is_removed_alone(lake: Lake) -> None:
    full(lake).write(ORDERS, "us", "all", lines("other"))
    lake.remove("de")
    assert lake.markets() == ["us"]
    lake.require_empty("de")


def test_what_was_read_can_be_named_and_a_delivery_gives_another_name(lake: Lake) -> None:
    before = full(lake).version("de")
    assert lake.version("de") == before
    lake.require("de", before)
    lake.write(ORDERS, "de", "week-0002", lines("l2"))
    assert lake.version("de").tables["orders"] != before.tables["orders"]
    assert lake.version("de").tables["returns"] == before.tables["returns"]


@pytest.mark.parametrize("lake", KEEPING_VERSIONS, indirect=True)
def test_an_earlier_version_is_read_as_it_was(lake: Lake) -> None:
    before = full(lake).version("de")
    lake.write(ORDERS, "de", "all", lines("l7"))
    lake.write(ORDERS, "de", "week-0002", lines("l8"))
    lake.require("de", before)
    assert (ids(lake, version=before), ids(lake)) == (["l1"], ["l7", "l8"])


@pytest.mark.parametrize("lake", ["parquet"], indirect=True)
def test_parquet_refuses_a_version_that_is_no_more(lake: Lake) -> None:
    before = full(lake).version("de")
    lake.write(ORDERS, "de", "all", lines("l7"))
    why = "table 'orders' of market 'de' cannot be read as of version .* Parquet keeps no earlier versions"
    with pytest.raises(DataError, match=why):
        lake.require("de", before)
    with pytest.raises(DataError, match=why):
        ids(lake, version=before)


@pytest.mark.parametrize("lake", KEEPING_VERSIONS, indirect=True)
@pytest.mark.parametrize("version", ["99", "nonsense"])
def test_a_version_that_never_was_is_refused(lake: Lake, version: str) -> None:
    found = full(lake).version("de")
    with pytest.raises(DataError, match=f"cannot be read as of version {version}"):
        lake.require("de", LakeVersion(found.format, {**found.tables, "orders": version}))


def test_a_version_of_another_format_is_refused(lake: Lake) -> None:
    found = full(lake).version("de")
    with pytest.raises(DataError, match="the version is one of a lake in csv"):
        lake.require("de", LakeVersion("csv", found.tables))


def test_dropped_rows_are_in_no_file_any_more_and_in_no_log(lake: Lake, folder: Path) -> None:
    full(lake)
    lake.write(ORDERS, "de", "week-0002", rows(ORDERS, {"line_id": "l2", "customer_id": "forgotten-one"}))
    lake.write(ORDERS, "de", "week-0002", rows(ORDERS, *(
        {"line_id": f"l{number}", "customer_id": who} for number, who in enumerate(("forgotten-one", "stays"), 2)
    )))  # fmt: skip
    assert lake.select(ORDERS, "de", "customer_id", ["forgotten-one"]).num_rows == 1
    assert lake.drop_rows(ORDERS, "de", "customer_id", ["forgotten-one"]) == 1
    assert ids(lake) == ["l1", "l3"]
    assert [path for path in folder.rglob("*") if path.is_file() and b"forgotten-one" in path.read_bytes()] == []


def test_what_a_killed_delivery_has_left_goes_with_whom_it_names(lake: Lake, folder: Path) -> None:
    full(lake).write(ORDERS, "de", "week-0002", rows(ORDERS, {"line_id": "l2", "customer_id": "forgotten-one"}))
    [written] = [path for path in folder.rglob("*.parquet") if b"forgotten-one" in path.read_bytes()]
    # Rows that are on disk, and that no reader sees: a draft, or a file that no commit names.
    left = Path(shutil.copy(written, written.with_name(".week-0003.parquet.draft")))
    assert lake.drop_rows(ORDERS, "de", "customer_id", ["forgotten-one"]) == 1
    assert not left.exists()


@pytest.mark.parametrize("lake", KEEPING_VERSIONS, indirect=True)
def test_a_market_whose_customer_was_forgotten_cannot_be_read_as_before_and_the_others_can(lake: Lake) -> None:
    lake.write(ORDERS, "us", "all", lines("other"))
    full(lake).write(ORDERS, "de", "all", rows(ORDERS, {}, {"line_id": "l2", "customer_id": "c2"}))
    before = {market: lake.version(market) for market in ("de", "us")}
    lake.write(ORDERS, "us", "all", lines("later"))
    assert lake.drop_rows(ORDERS, "de", "customer_id", ["c1"]) == 1
    with pytest.raises(DataError, match="files of it are gone, as after `fitwave customers forget`"):
        ids(lake, version=before["de"])
    assert ids(lake, "us", before["us"]) == ["other"]


def foreign(lake: Lake, folder: Path, rows: pa.Table) -> None:
    """A table that another system made: with a market, and without parts."""
    table = rows.append_column("market", pa.array(["de"] * len(rows)))
    if lake.tables.name == "delta":
        write_deltalake(f"{folder}/orders", table, partition_by=["market"])
        return
    folder.mkdir(exist_ok=True)
    catalog = SqlCatalog("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace_if_not_exists("lake")
    catalog.create_table(("lake", "orders"), schema=table.schema).append(table)


@pytest.mark.parametrize("lake", ["iceberg"], indirect=True)
def test_a_table_is_made_with_its_partitions_or_not_at_all(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as killed, pytest.raises(SystemExit):
        killed.setattr(UpdateSpec, "add_identity", end)
        lake.write(ORDERS, "de", "week-0001", lines("l1"))
    lake.write(ORDERS, "de", "week-0001", lines("l1"))
    lake.write(ORDERS, "de", "week-0002", lines("l2"))
    assert lake.parts(ORDERS, "de") == ["week-0001", "week-0002"]


@pytest.mark.parametrize("lake", KEEPING_VERSIONS, indirect=True)
def test_a_table_that_others_made_is_read_and_not_written(lake: Lake, folder: Path) -> None:
    foreign(lake, folder, lines("l1", "l2"))
    assert (ids(lake), lake.parts(ORDERS, "de"), lake.count(ORDERS, "de")) == (["l1", "l2"], ["all"], 2)
    assert lake.parts(ORDERS, "us") == []
    assert lake.select(ORDERS, "de", "line_id", ["l2"]).num_rows == 1
    with pytest.raises(DataError, match="has no column 'part'"):
        lake.write(ORDERS, "de", "all", lines("l3"))


@pytest.mark.parametrize("lake", KEEPING_VERSIONS, indirect=True)
def test_a_table_that_others_made_with_other_columns_is_refused_by_name(lake: Lake, folder: Path) -> None:
    foreign(lake, folder, lines("l1").drop_columns(["size"]))
    with pytest.raises(DataError, match=r"orders.*breaks the schema.*column 'size' \(string\) is absent"):
        lake.read(ORDERS, "de")


def test_lists_come_back_as_lists(lake: Lake) -> None:
    full(lake)
    assert lake.read(ARTICLES, "de")["sizes"].to_pylist() == [["36", "38"]]


def test_an_iceberg_lake_may_have_its_catalog_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "catalogs").mkdir()
    uri = f"iceberg+sqlite:///{tmp_path}/catalogs/fit.db#{tmp_path}/warehouse"
    full(Lake.open(uri))
    assert ids(Lake.open(uri)) == ["l1"]
    assert (tmp_path / "catalogs" / "fit.db").is_file()
    assert list((tmp_path / "warehouse").rglob("*.parquet"))
