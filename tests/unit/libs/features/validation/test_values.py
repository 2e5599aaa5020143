"""What values may be: every rule that is broken is told once, with its column, its count and sample rows."""

from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest

from libs.features.schema import CUSTOMERS, TABLES
from libs.features.validation.values import admitted, merged, violations

DAY = datetime(2026, 3, 2, tzinfo=UTC)
CUSTOMER = {
    "customer_id": "c1",
    "registered_at": DAY,
    "gender": "women",
    "birth_year": 1980,
    "height_cm": 170.0,
    "weight_kg": 65.0,
}


def frame(rows: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(rows))


def customers(*changes: dict[str, object]) -> pl.DataFrame:
    rows = [CUSTOMER | {"customer_id": f"c{number}"} | change for number, change in enumerate(changes, start=1)]
    return frame(pa.Table.from_pylist(rows, schema=CUSTOMERS.schema))


def test_good_rows_break_nothing() -> None:
    assert violations(CUSTOMERS, customers({}, {})) == []


@pytest.mark.parametrize("column", ["gender", "birth_year", "height_cm", "weight_kg"])
def test_what_a_customer_did_not_tell_may_be_null(column: str) -> None:
    assert violations(CUSTOMERS, customers({column: None})) == []


def test_an_empty_table_breaks_nothing() -> None:
    for table in TABLES.values():
        assert violations(table, frame(table.schema.empty_table())) == []


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


def test_rows_that_break_something_are_left_out_and_the_others_stay_in_their_order() -> None:
    rows = customers({}, {"gender": "x"}, {"height_cm": None}, {"weight_kg": 0.5, "birth_year": 80}, {})
    kept, breaches = admitted(CUSTOMERS, rows)
    assert kept["customer_id"].to_list() == ["c1", "c3", "c5"]
    assert [(one.column, one.rows) for one in breaches] == [("gender", 1), ("birth_year", 1), ("weight_kg", 1)]


def test_breaches_of_several_blocks_are_one_with_their_rows_added_up() -> None:
    unknown: dict[str, object] = {"gender": "x"}
    blocks = [customers(*[unknown] * count) for count in (2, 3)]
    [found] = merged(breach for block in blocks for breach in admitted(CUSTOMERS, block)[1])
    assert found.rows == 5
    assert len(found.samples) == 3


def test_columns_that_are_not_declared_stay_with_their_rows() -> None:
    rows = customers({}, {"gender": "x"}).with_columns(market=pl.lit("de"))
    assert admitted(CUSTOMERS, rows)[0].columns[-1] == "market"
