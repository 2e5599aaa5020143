"""The lakehouse: four tables of each market behind one door, in whichever table format the `lake_uri` names.

`orders` and `returns` grow by one part a delivery; `customers` and `articles` are restated whole, as one part.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs

from libs.base.errors import DataError
from libs.features.schema import TABLES, Table, check_columns, check_key
from libs.features.table_formats.location import open_format
from libs.features.table_formats.table_format import TableFormat

if TYPE_CHECKING:
    from ray.data import Dataset


@dataclass(frozen=True)
class LakeVersion:
    """What was read of a market: the table format, and by table the version in its terms."""

    format: str
    tables: Mapping[str, str]


@dataclass(frozen=True)
class Lake:
    """The tables under one root. What is not a table, as the pair log, stands in files beside them."""

    tables: TableFormat

    @classmethod
    def open(cls, uri: str) -> "Lake":
        """Open a lakehouse by URI or local path; nothing is created.

        Raises:
            DataError: no filesystem takes this URI.
        """
        return cls(open_format(uri))

    @property
    def root(self) -> str:
        """Where the tables and the files beside them are, as `filesystem` names it."""
        return self.tables.root

    @property
    def filesystem(self) -> pa_fs.FileSystem:
        """What reads and writes under `root`."""
        return self.tables.filesystem

    def markets(self) -> list[str]:
        """The markets that have any table."""
        return sorted(self.tables.markets())

    def parts(self, table: Table, market: str) -> list[str]:
        """The names of the market's parts of one table, in order."""
        return self.tables.parts(table, market)

    def version(self, market: str) -> LakeVersion:
        """What names that which a read of this market sees now."""
        return LakeVersion(
            self.tables.name, {name: self.tables.version(table, market) for name, table in TABLES.items()}
        )

    def require(self, market: str, version: LakeVersion) -> None:
        """Raises: DataError: the version cannot be read, or not any more; the message says why."""
        if version.format != self.tables.name:
            raise DataError(
                f"market {market!r}: the version is one of a lake in {version.format}, and this lake is in "
                f"{self.tables.name}. Point lake_uri at the lake that was read then."
            )
        for name, table in TABLES.items():
            self.tables.require(table, market, version.tables[name])

    def read(self, table: Table, market: str, version: str | None = None) -> pa.Table:
        """Read all of a market's table, with the declared columns: as of a version of the table, or as it is now.

        Raises:
            DataError: the market has no data, the columns break the schema, or the version cannot be read.
        """
        self.check(table, market)
        return self.tables.read(table, market, version)

    def dataset(self, table: Table, versions: Mapping[str, LakeVersion]) -> "Dataset":
        """The rows of these markets, with their `market`, as a Ray Data set; the caller is connected to Ray."""
        from ray.data import DataContext

        # NOTE: its newer reader starts four actors to look at the footers of however few files, and ends them: twice a
        # week, half of the start-up of preprocessing. The bar that the other one shows is not our progress.
        context = DataContext.get_current()
        context.use_datasource_v2 = context.enable_progress_bars = False
        logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that no bar is shown
        return self.tables.dataset(table, {market: version.tables[table.name] for market, version in versions.items()})

    def count(self, table: Table, market: str) -> int:
        """How many rows the market has; reads no data."""
        return self.tables.count(table, market)

    def check(self, table: Table, market: str) -> None:
        """See that the market is there, and that the columns are those that are declared; reads no data.

        Raises:
            DataError: it is not there, or they are not; or a file is not readable.
        """
        if not self.tables.parts(table, market):
            raise DataError(
                f"table {table.name!r} has no data for market {market!r} in {self.root}. "
                f"Deliver it, or run `fitwave lake generate` for a made-up one."
            )
        for place, schema in self.tables.schemas(table, market):
            check_columns(table, schema, place)

    def write(self, table: Table, market: str, part: str, rows: pa.Table) -> None:
        """Write one part, replacing it if it is there; readers see the old one or the new one, never half.

        Raises:
            DataError: the rows break the schema or its value checks.
        """
        check_columns(table, rows.schema, f"part {part!r} of market {market!r}")
        faults = _faults(table, rows)
        if faults:
            raise DataError(f"part {part!r} of {table.name!r}, market {market!r}: {'; '.join(faults)}")
        self.tables.replace(table, market, part, rows.select(table.schema.names).cast(table.schema))

    def write_frame(self, table: Table, market: str, part: str, rows: pl.DataFrame) -> None:
        """Write a polars frame as one part; see `write`."""
        nullable = pa.schema([column.with_nullable(True) for column in table.schema])
        self.write(table, market, part, rows.select(table.schema.names).to_arrow().cast(nullable).cast(table.schema))

    def select(self, table: Table, market: str, column: str, values: Sequence[str]) -> pa.Table:
        """The rows that have one of these values."""
        wanted = pa.array(values, pa.string())
        found = [table.schema.empty_table()]
        for part in self.parts(table, market):
            rows = self.tables.read(table, market, part=part)
            found.append(rows.filter(pc.is_in(rows[column], wanted)).cast(table.schema))
        return pa.concat_tables(found)

    def drop_rows(self, table: Table, market: str, column: str, values: Sequence[str]) -> int:
        """Remove the rows that have one of these values, and all earlier versions of the market's table; how many rows.

        Readers see a part as it was or as it is then.
        """
        unwanted, dropped = pa.array(values, pa.string()), 0
        for part in self.parts(table, market):
            rows = self.tables.read(table, market, part=part)
            left = rows.filter(pc.invert(pc.is_in(rows[column], unwanted)))
            if len(left) < len(rows):
                self.tables.replace(table, market, part, left.cast(table.schema))
                dropped += len(rows) - len(left)
        self.tables.purge(table, market)
        return dropped

    def remove(self, market: str) -> None:
        """Remove all tables of a market."""
        for table in TABLES.values():
            self.tables.remove(table, market)

    def require_empty(self, market: str) -> None:
        """Raises: DataError: the market has data, which would be mixed with what is about to be written."""
        found = [table.name for table in TABLES.values() if self.parts(table, market)]
        if found:
            raise DataError(
                f"market {market!r} has data already, in {', '.join(found)}: new data would be mixed with it. "
                f"Say --replace to remove it first."
            )

    def validate(self, market: str) -> list[str]:
        """Every fault of a market's tables: absent partitions, broken schemas, bad values, repeated or orphan keys."""
        found = []
        tables: dict[str, pa.Table] = {}
        for table in TABLES.values():
            try:
                rows = self.read(table, market)
            except DataError as error:
                found.append(str(error))
                continue
            found += [f"{table.name}: {fault}" for fault in _faults(table, rows)]
            tables[table.name] = rows
        if {"orders", "returns"} <= tables.keys():
            orphans = tables["returns"].join(tables["orders"].select(["line_id"]), "line_id", join_type="left anti")
            if orphans.num_rows:
                found.append(
                    f"returns: {orphans.num_rows} rows name no order line, such as {orphans.slice(0, 3).to_pylist()}"
                )
        return found


def _faults(table: Table, rows: pa.Table) -> list[str]:
    # Only who writes or validates waits for pandera: a router has a lake, too.
    from libs.features.validation.values import violations

    return violations(table, pl.DataFrame(pl.from_arrow(rows))) + check_key(table, rows)
