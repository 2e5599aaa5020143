"""The lakehouse's four tables: declared once, enforced at the door; their values by `libs.features.validation`.

The `market` column is the partition, so it is in the path and not in the files.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from libs.base.errors import DataError

TIMESTAMP = pa.timestamp("us", tz="UTC")

DIVISIONS = ("apparel", "footwear")
GENDERS = ("women", "men", "kids", "unisex")
SIZE_SYSTEMS = ("EU", "UK", "US", "letter", "waist")
RETURN_REASONS = ("too_small", "too_large", "quality", "changed_mind", "damaged", "late", "other")

_SAMPLE_ROWS = 3


@dataclass(frozen=True)
class Table:
    """One table: its Arrow schema, its key, what its values may be, when a row came about, and the columns whose shares
    of values are watched from week to week. One that is `restated` comes whole each time.
    """

    name: str
    schema: pa.Schema
    key: str
    at: str
    watched: tuple[str, ...]
    restated: bool
    allowed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)


def _required(name: str, type_: pa.DataType) -> pa.Field:
    return pa.field(name, type_, nullable=False)


CUSTOMERS = Table(
    "customers",
    pa.schema(
        [
            _required("customer_id", pa.string()),
            _required("registered_at", TIMESTAMP),
            pa.field("gender", pa.string()),
            pa.field("birth_year", pa.int32()),
            pa.field("height_cm", pa.float64()),
            pa.field("weight_kg", pa.float64()),
            pa.field("bust_cm", pa.float64()),
            pa.field("underbust_cm", pa.float64()),
        ]
    ),
    key="customer_id",
    at="registered_at",
    watched=("gender",),
    restated=True,
    allowed={"gender": GENDERS},
    # Bodies outside these are typing errors, not people; birth years are checked for plausibility only.
    bounds={
        "birth_year": (1900, 2100),
        "height_cm": (40, 250),
        "weight_kg": (2, 400),
        "bust_cm": (40, 200),
        "underbust_cm": (40, 180),
    },
)
ARTICLES = Table(
    "articles",
    pa.schema(
        [
            _required("article_id", pa.string()),
            _required("brand", pa.string()),
            _required("division", pa.string()),
            _required("category", pa.string()),
            _required("gender", pa.string()),
            _required("size_system", pa.string()),
            _required("sizes", pa.list_(pa.string())),
            _required("launched_at", TIMESTAMP),
            _required("online", pa.bool_()),
        ]
    ),
    key="article_id",
    at="launched_at",
    watched=("division", "category", "gender", "size_system"),
    restated=True,
    allowed={"division": DIVISIONS, "gender": GENDERS, "size_system": SIZE_SYSTEMS},
)
ORDERS = Table(
    "orders",
    pa.schema(
        [
            _required("order_id", pa.string()),
            _required("line_id", pa.string()),
            _required("customer_id", pa.string()),
            _required("article_id", pa.string()),
            _required("size", pa.string()),
            _required("ordered_at", TIMESTAMP),
            _required("quantity", pa.int32()),
            _required("channel", pa.string()),
        ]
    ),
    key="line_id",
    at="ordered_at",
    watched=("channel",),
    restated=False,
    bounds={"quantity": (1, 10_000)},
)
RETURNS = Table(
    "returns",
    pa.schema(
        [
            _required("line_id", pa.string()),
            _required("returned_at", TIMESTAMP),
            _required("reason", pa.string()),
        ]
    ),
    key="line_id",
    at="returned_at",
    watched=("reason",),
    restated=False,
    allowed={"reason": RETURN_REASONS},
)
TABLES = {table.name: table for table in (CUSTOMERS, ARTICLES, ORDERS, RETURNS)}


def check_columns(table: Table, found: pa.Schema, place: str) -> None:
    """Compare a file's schema with the declared one.

    Raises:
        DataError: columns are absent, unknown, or of another type; all of them are named.
    """
    faults = []
    for column in table.schema:
        if column.name not in found.names:
            faults.append(f"column {column.name!r} ({column.type}) is absent")
        elif found.field(column.name).type != column.type:
            faults.append(f"column {column.name!r} is {found.field(column.name).type}, must be {column.type}")
    faults += [f"column {name!r} is not declared" for name in found.names if name not in table.schema.names]
    if faults:
        raise DataError(f"{place} breaks the schema of {table.name!r}: {'; '.join(faults)}. Deliver the file again.")


def check_key(table: Table, rows: pa.Table) -> list[str]:
    """Whether the key is unique in these rows, as a list of none or one sentence."""
    counts = rows[table.key].value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if not len(repeated):
        return []
    samples = ", ".join(repr(value.as_py()) for value in repeated.field("values")[:_SAMPLE_ROWS])
    return [f"{table.name}.{table.key} must be unique: {len(repeated)} values occur more than once, such as {samples}"]
