"""What a lakehouse's table format has to do: keep each table's rows by market and part, and read them by version.

A *part* is what one delivery brought, and is replaced whole. A *version* names what a read sees: read by it, a table is
the same again, whatever was delivered meanwhile, or the read is refused.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.fs as pa_fs

from libs.base.errors import DataError, TransientError
from libs.base.identifiers import check_name
from libs.features.schema import Table

if TYPE_CHECKING:
    from ray.data import Dataset

MARKET, PART = "market", "part"
GONE = "files of it are gone, as after `fitwave customers forget` or a vacuum. Read the lake as it is now."


class TableFormat(Protocol):
    """One root's tables in one format. What a market is not in, has no parts and no rows."""

    name: str
    root: str
    filesystem: pa_fs.FileSystem

    def parts(self, table: Table, market: str) -> list[str]:
        """The names of the market's parts, in order."""

    def markets(self) -> set[str]:
        """The markets that have any table."""

    def version(self, table: Table, market: str) -> str:
        """What names that which a read sees now."""

    def require(self, table: Table, market: str, version: str) -> None:
        """Raises: DataError: the version cannot be read any more; the message says why."""

    def schemas(self, table: Table, market: str) -> Iterable[tuple[str, pa.Schema]]:
        """The columns that are stored, by place; two or more where each file has its own.

        Raises:
            DataError: a file is not readable.
        """

    def count(self, table: Table, market: str) -> int:
        """How many rows the market has; reads no data."""

    def read(self, table: Table, market: str, version: str | None = None, part: str | None = None) -> pa.Table:
        """The market's rows in the order of the declared columns: of one part or all, of a version or now.

        Raises:
            DataError: the version cannot be read any more.
        """

    def dataset(self, table: Table, versions: Mapping[str, str]) -> "Dataset":
        """The declared columns and `market` of these markets' versions, as a Ray Data set."""

    def replace(self, table: Table, market: str, part: str, rows: pa.Table) -> None:
        """Write a part over what it was: readers see it as it was or as it is then.

        Raises:
            TransientError: the disk is full or the store is away, and the part is as it was; or somebody else wrote
                meanwhile.
        """

    def remove(self, table: Table, market: str) -> None:
        """Remove all parts of a market."""

    def purge(self, table: Table, market: str) -> None:
        """Remove from disk what only earlier versions have of a market, which cannot be read any more, and what killed
        deliveries have left. One that is under way fails, and is made again.
        """


def of_market(market: str) -> str:
    """The condition on a market's rows, in SQL."""
    return f"{MARKET} = '{check_name(market)}'"


def of_part(market: str, part: str) -> str:
    """The condition on a part's rows, in SQL."""
    return f"{of_market(market)} AND {PART} = '{check_name(part)}'"


def in_part(rows: pa.Table, table: Table, market: str, part: str) -> pa.Table:
    """The rows with the two columns by which a table of all markets is partitioned."""
    schema = pa.schema([*table.schema, *(pa.field(name, pa.string(), nullable=False) for name in (MARKET, PART))])
    columns = [pa.repeat(pa.scalar(value), len(rows)) for value in (market, part)]
    return pa.Table.from_arrays([*rows.columns, *columns], schema=schema)


def declared(rows: pa.Table, table: Table) -> pa.Table:
    """The rows in the declared order and types, whatever may be null in them."""
    fields = [column.with_nullable(True) for column in table.schema]
    return rows.select(table.schema.names).cast(pa.schema(fields))


def without_partition_columns(schema: pa.Schema) -> pa.Schema:
    """The columns that deliveries declare, with Arrow's large types as the plain ones they stand for."""
    fields = [field.with_type(_plain(field.type)) for field in schema if field.name not in (MARKET, PART)]
    return pa.schema(fields)


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(type_):
        return pa.string()
    if pa.types.is_large_list(type_) or pa.types.is_list(type_):
        return pa.list_(_plain(type_.value_type))
    return type_


def require_parts(found: pa.Schema, table: Table, place: str) -> None:
    """Raises: DataError: a table of somebody else's making has no parts, so none can be replaced."""
    if PART not in found.names:
        raise DataError(
            f"{place} has no column {PART!r}, so no part of {table.name!r} can be replaced in it. Fitwave reads such a "
            f"table, and writes and forgets only in tables that it has made; do it with what made this one."
        )


def other_version(table: Table, market: str, version: str, why: str) -> DataError:
    """Why a version cannot be read."""
    return DataError(f"table {table.name!r} of market {market!r} cannot be read as of version {version}: {why}")


def not_written(place: str, why: object) -> TransientError:
    """Why a part is as it was."""
    return TransientError(f"{place} was not written: {why}. It is as it was before; deliver again when that is mended.")


def each_version(versions: Mapping[str, str], read: Callable[[str, list[str]], "Dataset"]) -> "Dataset":
    """The rows of all markets, read once for each version that any of them is wanted of."""
    markets = defaultdict(list)
    for market, version in versions.items():
        markets[version].append(market)
    first, *others = (read(version, names) for version, names in markets.items())
    return first.union(*others) if others else first
