"""The declared tables: what breaks them is named, with rule, column, count and sample rows."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from libs.base.errors import DataError
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, TABLES, check_columns, check_key

DAY = datetime(2026, 3, 2, tzinfo=UTC)
CUSTOMER = {
    "customer_id": "c1",
    "registered_at": DAY,
    "gender": "women",
    "birth_year": 1980,
    "height_cm": 170.0,
    "weight_kg": 65.0,
}


def customers(*changes: dict[str, object]) -> pa.Table:
    rows = [CUSTOMER | {"customer_id": f"c{number}"} | change for number, change in enumerate(changes, start=1)]
    return pa.Table.from_pylist(rows, schema=CUSTOMERS.schema)


def test_there_are_four_tables_each_with_a_required_key() -> None:
    assert list(TABLES) == ["customers", "articles", "orders", "returns"]
    assert all(not table.schema.field(table.key).nullable for table in TABLES.values())


def test_checks_name_declared_columns_only() -> None:
    for table in TABLES.values():
        assert {*table.allowed, *table.bounds} <= set(table.schema.names)


def test_unique_keys_are_no_fault() -> None:
    assert check_key(CUSTOMERS, customers({}, {})) == []
    for table in TABLES.values():
        assert check_key(table, table.schema.empty_table()) == []


def test_a_repeated_key_is_a_fault_with_its_values() -> None:
    [fault] = check_key(CUSTOMERS, customers({}, {"customer_id": "c1"}, {}))
    assert "customers.customer_id must be unique: 1 values" in fault
    assert "'c1'" in fault


def test_an_absent_column_is_named_with_its_type_and_the_place() -> None:
    found = ORDERS.schema.remove(ORDERS.schema.get_field_index("size"))
    with pytest.raises(DataError, match=r"part-7 breaks the schema of 'orders': column 'size' \(string\) is absent"):
        check_columns(ORDERS, found, "part-7")


def test_another_type_is_named_with_the_declared_one() -> None:
    found = pa.schema(
        [field if field.name != "quantity" else pa.field("quantity", pa.int64()) for field in ORDERS.schema]
    )
    with pytest.raises(DataError, match="column 'quantity' is int64, must be int32"):
        check_columns(ORDERS, found, "part-7")


def test_a_timestamp_without_a_time_zone_is_another_type() -> None:
    found = RETURNS.schema.set(1, pa.field("returned_at", pa.timestamp("us")))
    with pytest.raises(DataError, match="'returned_at'"):
        check_columns(RETURNS, found, "part-7")


def test_an_undeclared_column_is_a_fault() -> None:
    with pytest.raises(DataError, match="column 'market' is not declared"):
        check_columns(ARTICLES, ARTICLES.schema.append(pa.field("market", pa.string())), "part-7")


def test_all_broken_columns_are_told_at_once() -> None:
    found = RETURNS.schema.remove(0).append(pa.field("note", pa.string()))
    with pytest.raises(DataError, match=r"'line_id'.*absent; .*'note'.*not declared"):
        check_columns(RETURNS, found, "part-7")


def test_the_order_of_columns_does_not_matter() -> None:
    check_columns(ORDERS, pa.schema(list(reversed(list(ORDERS.schema)))), "part-7")
