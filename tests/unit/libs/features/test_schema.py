"""The declared tables: what breaks them is named, with rule, column, count and sample rows."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from libs.base.errors import DataError
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, TABLES, check_columns, check_key, violations

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


def test_good_rows_break_nothing() -> None:
    assert violations(CUSTOMERS, customers({}, {})) == []
    assert check_key(CUSTOMERS, customers({}, {})) == []


@pytest.mark.parametrize("column", ["gender", "birth_year", "height_cm", "weight_kg"])
def test_what_a_customer_did_not_tell_may_be_null(column: str) -> None:
    assert violations(CUSTOMERS, customers({column: None})) == []


def test_an_empty_table_breaks_nothing() -> None:
    for table in TABLES.values():
        assert violations(table, table.schema.empty_table()) == []
        assert check_key(table, table.schema.empty_table()) == []


def test_a_null_in_a_required_column_is_a_fault() -> None:
    [fault] = violations(CUSTOMERS, customers({}, {"registered_at": None}, {"registered_at": None}))
    assert fault.startswith("registered_at is null in 2 rows")
    assert "'c2'" in fault and "'c1'" not in fault


def test_a_value_outside_the_allowed_ones_is_a_fault_that_lists_them() -> None:
    [fault] = violations(CUSTOMERS, customers({}, {"gender": "female"}))
    assert fault.startswith("gender is none of women, men, kids, unisex in 1 rows")
    assert "'female'" in fault


@pytest.mark.parametrize(("height_cm", "faults"), [(39.9, 1), (40.0, 0), (250.0, 0), (250.1, 1)])
def test_bounds_include_their_ends(height_cm: float, faults: int) -> None:
    assert len(violations(CUSTOMERS, customers({"height_cm": height_cm}))) == faults


def test_every_broken_rule_is_told_at_once() -> None:
    found = violations(CUSTOMERS, customers({"gender": "x", "weight_kg": 0.5, "birth_year": 80}))
    assert [fault.split()[0] for fault in found] == ["gender", "birth_year", "weight_kg"]


def test_at_most_three_sample_rows_are_shown() -> None:
    unknown: dict[str, object] = {"gender": "x"}
    [fault] = violations(CUSTOMERS, customers(*[unknown] * 9))
    assert "in 9 rows" in fault
    assert [name for name in ("c1", "c2", "c3", "c4") if f"'{name}'" in fault] == ["c1", "c2", "c3"]


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
