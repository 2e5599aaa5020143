"""The lakehouse: parts are replaced whole, and nothing that breaks the schema gets in or goes unnamed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.base.errors import DataError
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, Table
from tests.parquet_files import parquet_folder

DAY = datetime(2026, 3, 2, tzinfo=UTC)
ROWS: dict[str, dict[str, Any]] = {
    "customers": {
        "customer_id": "c1",
        "registered_at": DAY,
        "gender": "women",
        "birth_year": 1980,
        "height_cm": None,
        "weight_kg": None,
    },
    "articles": {
        "article_id": "a1",
        "brand": "b",
        "division": "apparel",
        "category": "dress",
        "gender": "women",
        "size_system": "EU",
        "sizes": ["36", "38"],
        "launched_at": DAY,
        "online": True,
    },
    "orders": {
        "order_id": "o1",
        "line_id": "l1",
        "customer_id": "c1",
        "article_id": "a1",
        "size": "36",
        "ordered_at": DAY,
        "quantity": 1,
        "channel": "web",
    },
    "returns": {"line_id": "l1", "returned_at": DAY + timedelta(days=9), "reason": "too_small"},
}


def rows(table: Table, *changes: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([ROWS[table.name] | change for change in changes], schema=table.schema)


def put_raw(lake: Lake, table: Table, part: str, content: pa.Table) -> None:
    """A file that did not come through the door: delivered by another system."""
    folder = parquet_folder(lake, table, "de")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, folder / f"{part}.parquet")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def full(lake: Lake) -> Lake:
    for table in (CUSTOMERS, ARTICLES, ORDERS, RETURNS):
        lake.write(table, "de", "all", rows(table, {}))
    return lake


def test_what_was_written_is_read_back(full: Lake) -> None:
    assert full.read(ORDERS, "de").to_pylist() == [ROWS["orders"]]
    assert full.read(ARTICLES, "de").schema == ARTICLES.schema


def test_a_good_market_has_no_faults(full: Lake) -> None:
    assert full.validate("de") == []


def test_parts_are_read_together_in_name_order(lake: Lake) -> None:
    lake.write(ORDERS, "de", "week-0001", rows(ORDERS, {"line_id": "l2"}))
    lake.write(ORDERS, "de", "week-0000", rows(ORDERS, {"line_id": "l1"}))
    assert lake.read(ORDERS, "de")["line_id"].to_pylist() == ["l1", "l2"]


def test_markets_are_apart(full: Lake) -> None:
    full.write(CUSTOMERS, "us", "all", rows(CUSTOMERS, {"customer_id": "other"}))
    assert full.markets() == ["de", "us"]
    assert full.read(CUSTOMERS, "de")["customer_id"].to_pylist() == ["c1"]


def test_a_part_written_again_is_replaced(full: Lake) -> None:
    full.write(ORDERS, "de", "all", rows(ORDERS, {"size": "38"}))
    assert full.read(ORDERS, "de")["size"].to_pylist() == ["38"]
    assert len(full.parts(ORDERS, "de")) == 1


def test_a_refused_part_leaves_the_old_one_and_no_draft(full: Lake) -> None:
    with pytest.raises(DataError):
        full.write(ORDERS, "de", "all", rows(ORDERS, {"quantity": 0}))
    assert full.read(ORDERS, "de").to_pylist() == [ROWS["orders"]]
    assert [path.name for path in parquet_folder(full, ORDERS, "de").iterdir()] == ["all.parquet"]


def test_a_draft_left_by_a_crash_is_not_read(full: Lake) -> None:
    (parquet_folder(full, ORDERS, "de") / ".week-0001.draft").write_bytes(b"PAR1 half a fi")
    assert full.validate("de") == []
    assert full.read(ORDERS, "de").num_rows == 1


def test_bad_values_are_refused_with_part_market_and_sample_rows(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"part 'p1' of 'returns', market 'de': reason is none of .*'too_tight'"):
        lake.write(RETURNS, "de", "p1", rows(RETURNS, {"reason": "too_tight"}))


def test_a_key_repeated_in_a_part_is_refused(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"orders\.line_id must be unique"):
        lake.write(ORDERS, "de", "p1", rows(ORDERS, {}, {}))


def test_a_broken_schema_is_refused_at_the_door(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"part 'p1' of market 'de'.*column 'size'.*absent"):
        lake.write(ORDERS, "de", "p1", rows(ORDERS, {}).drop_columns(["size"]))


def test_columns_are_stored_in_the_declared_order(lake: Lake) -> None:
    lake.write(ORDERS, "de", "p1", rows(ORDERS, {}).select(list(reversed(ORDERS.schema.names))))
    assert lake.read(ORDERS, "de").schema == ORDERS.schema


def test_an_absent_table_is_named_with_its_place_and_remedy(lake: Lake) -> None:
    with pytest.raises(DataError, match=r"'orders' has no data for market 'de' in .*/lake\. .*fitwave lake generate"):
        lake.read(ORDERS, "de")


def test_an_absent_lake_has_no_markets_and_no_parts(lake: Lake) -> None:
    assert lake.markets() == []
    assert lake.parts(ORDERS, "de") == []


def test_validation_names_every_absent_table(lake: Lake) -> None:
    assert [fault.split("'")[1] for fault in lake.validate("de")] == ["customers", "articles", "orders", "returns"]


def test_a_delivered_file_that_breaks_the_schema_is_named(full: Lake) -> None:
    put_raw(full, RETURNS, "late", rows(RETURNS, {}).drop_columns(["reason"]))
    [fault] = full.validate("de")
    assert "late.parquet" in fault and "column 'reason' (string) is absent" in fault


def test_a_delivered_file_that_is_no_parquet_is_named(full: Lake) -> None:
    (parquet_folder(full, RETURNS, "de") / "late.parquet").write_bytes(b"line_id;reason")
    [fault] = full.validate("de")
    assert "late.parquet is not a readable Parquet file" in fault


def test_delivered_values_that_break_a_rule_are_named_with_sample_rows(full: Lake) -> None:
    put_raw(full, CUSTOMERS, "more", rows(CUSTOMERS, {"customer_id": "c2", "height_cm": 1.7}))
    [fault] = full.validate("de")
    assert fault.startswith("customers: height_cm is outside 40 to 250 in 1 rows")
    assert "'c2'" in fault


def test_a_key_repeated_across_parts_is_found(full: Lake) -> None:
    full.write(ORDERS, "de", "again", rows(ORDERS, {}))
    assert ["orders.line_id must be unique" in fault for fault in full.validate("de")] == [True]


def test_returns_of_no_order_line_are_found(full: Lake) -> None:
    full.write(RETURNS, "de", "late", rows(RETURNS, {"line_id": "l9"}))
    [fault] = full.validate("de")
    assert fault.startswith("returns: 1 rows name no order line")
    assert "'l9'" in fault


def test_faults_of_all_tables_are_told_at_once(full: Lake) -> None:
    full.write(RETURNS, "de", "late", rows(RETURNS, {"line_id": "l9"}))
    full.write(ORDERS, "de", "again", rows(ORDERS, {}))
    assert len(full.validate("de")) == 2


@pytest.mark.parametrize("market", ["../us", "de/x", "", "DE"])
def test_a_market_name_cannot_climb_out_of_the_lake(lake: Lake, market: str) -> None:
    with pytest.raises(DataError, match="not a usable name"):
        lake.write(CUSTOMERS, market, "all", rows(CUSTOMERS, {}))


@pytest.mark.parametrize("uri", ["relative/path", "nosuch://lake"])
def test_an_unusable_uri_is_refused_with_a_remedy(uri: str) -> None:
    with pytest.raises(DataError, match=r"lake_uri .* is not usable.*absolute path"):
        Lake.open(uri)
