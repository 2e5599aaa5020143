"""What each value of a table may be, checked by pandera: rules broken, by how many rows, and some of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaError, SchemaErrors

from libs.features.schema import TABLES, Table

_SAMPLE_ROWS = 3


@dataclass(frozen=True)
class Breach:
    """A rule that rows of a table break: how many of them, and the first few."""

    table: str
    column: str
    rule: str
    rows: int
    samples: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.column} {self.rule} in {self.rows} rows, such as {self.samples}"


@lru_cache
def _schema(name: str) -> pa.DataFrameSchema:
    table = TABLES[name]
    columns = {}
    for column in table.schema:
        checks = []
        if column.name in table.allowed:
            allowed = table.allowed[column.name]
            checks.append(pa.Check.isin(allowed, error=f"is none of {', '.join(allowed)}"))
        if column.name in table.bounds:
            low, high = table.bounds[column.name]
            checks.append(pa.Check.in_range(low, high, error=f"is outside {low:g} to {high:g}"))
        columns[column.name] = pa.Column(None, checks, nullable=column.nullable)
    return pa.DataFrameSchema(columns)


def admitted(table: Table, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Breach]]:
    """The rows whose values break nothing, and what the others break; n rows of the table's columns and maybe more."""
    try:
        _schema(table.name).validate(rows.select(table.schema.names), lazy=True)
    except SchemaErrors as errors:
        masks = [_good(error) for error in errors.schema_errors]
        breaches = [_breach(table, rows, error, good) for error, good in zip(errors.schema_errors, masks, strict=True)]
        return rows.filter(pl.all_horizontal(masks)), breaches
    return rows, []


def violations(table: Table, rows: pl.DataFrame) -> list[str]:
    """What the values of these rows break, one sentence a rule: rule, column, count and sample rows."""
    return [str(breach) for breach in admitted(table, rows)[1]]


def merged(breaches: Iterable[Breach]) -> list[Breach]:
    """Breaches of the same rule in several blocks of rows as one."""
    found: dict[tuple[str, str, str], Breach] = {}
    for one in breaches:
        key = (one.table, one.column, one.rule)
        before = found.get(key, Breach(*key, 0, []))
        found[key] = Breach(*key, before.rows + one.rows, (before.samples + one.samples)[:_SAMPLE_ROWS])
    return list(found.values())


def _good(error: SchemaError) -> pl.Series:
    """Of each row, whether it keeps the rule; (n,)."""
    good: pl.Series = error.check_output.to_series()
    return good.fill_null(True)


def _breach(table: Table, rows: pl.DataFrame, error: SchemaError, good: pl.Series) -> Breach:
    broken = rows.select(table.schema.names).filter(~good)
    samples = [{name: _plain(value) for name, value in row.items()} for row in broken.head(_SAMPLE_ROWS).to_dicts()]
    rule = "is null" if error.reason_code.name == "SERIES_CONTAINS_NULLS" else str(error.check.error)
    return Breach(table.name, str(error.schema.name), rule, len(broken), samples)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
