"""The lakehouse as Parquet: `<lake>/<table>/market=<market>/<part>.parquet`.

`orders` and `returns` grow by one part a delivery; `customers` and `articles` are restated whole, as one part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from libs.base.errors import DataError
from libs.base.identifiers import check_name
from libs.features.schema import TABLES, Table, check_columns, check_key, violations

if TYPE_CHECKING:
    from ray.data import Dataset


@dataclass(frozen=True)
class Lake:
    """The tables under one root, on any filesystem that Arrow reads."""

    root: str
    filesystem: pa_fs.FileSystem

    @classmethod
    def open(cls, uri: str) -> "Lake":
        """Open a lakehouse by URI or local path; nothing is created.

        Raises:
            DataError: no filesystem takes this URI.
        """
        try:
            filesystem, root = pa_fs.FileSystem.from_uri(uri)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"lake_uri {uri!r} is not usable: {error}. Give an absolute path or a URI.") from error
        return cls(root, filesystem)

    def partition(self, table: Table, market: str) -> str:
        """The folder of one table's market."""
        return f"{self.root}/{table.name}/market={check_name(market)}"

    def parts(self, table: Table, market: str) -> list[str]:
        """The market's files of one table, in name order; none if there is no such partition."""
        selector = pa_fs.FileSelector(self.partition(table, market), allow_not_found=True)
        return sorted(info.path for info in self.filesystem.get_file_info(selector) if info.path.endswith(".parquet"))

    def markets(self) -> list[str]:
        """The markets that have any table."""
        selector = pa_fs.FileSelector(self.root, allow_not_found=True, recursive=True)
        names = (info.base_name for info in self.filesystem.get_file_info(selector))
        return sorted({name.removeprefix("market=") for name in names if name.startswith("market=")})

    def read(self, table: Table, market: str) -> pa.Table:
        """Read a whole partition, with the declared schema.

        Raises:
            DataError: the partition is absent, or a file's columns break the schema.
        """
        return pa.concat_tables(self._read_part(table, path) for path in self.check_parts(table, market))

    def dataset(self, table: Table, markets: Sequence[str]) -> "Dataset":
        """The rows of these markets, with their `market`, as a Ray Data set; the caller is connected to Ray."""
        import ray.data

        paths = [path for market in markets for path in self.parts(table, market)]
        return ray.data.read_parquet(paths, filesystem=self.filesystem)

    def count(self, table: Table, market: str) -> int:
        """How many rows the market has; reads footers only."""
        return sum(pq.read_metadata(path, filesystem=self.filesystem).num_rows for path in self.parts(table, market))

    def check_parts(self, table: Table, market: str) -> list[str]:
        """The partition's files, once each one's columns are known to be right; reads footers only.

        Raises:
            DataError: the partition is absent, or a file's columns break the schema.
        """
        paths = self.parts(table, market)
        if not paths:
            raise DataError(
                f"table {table.name!r} has no data for market {market!r}: nothing in {self.partition(table, market)}. "
                f"Deliver it, or run `fitwave lake generate` for a made-up one."
            )
        for path in paths:
            check_columns(table, self._schema(path), path)
        return paths

    def _schema(self, path: str) -> pa.Schema:
        try:
            return pq.read_schema(path, filesystem=self.filesystem)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(f"{path} is not a readable Parquet file: {error}. Deliver it again.") from error

    def _read_part(self, table: Table, path: str) -> pa.Table:
        # partitioning=None: the market is in the path, and Arrow would add it as a column.
        rows = pq.read_table(path, filesystem=self.filesystem, partitioning=None)
        return rows.select(table.schema.names)

    def write(self, table: Table, market: str, part: str, rows: pa.Table) -> str:
        """Write one part, replacing it if it is there; readers see the old file or the new one, never half.

        Raises:
            DataError: the rows break the schema or its value checks.
        """
        check_columns(table, rows.schema, f"part {part!r} of market {market!r}")
        faults = violations(table, rows) + check_key(table, rows)
        if faults:
            raise DataError(f"part {part!r} of {table.name!r}, market {market!r}: {'; '.join(faults)}")
        folder = self.partition(table, market)
        self.filesystem.create_dir(folder, recursive=True)
        path = f"{folder}/{part}.parquet"
        self._replace(path, rows.select(table.schema.names).cast(table.schema))
        return path

    def write_frame(self, table: Table, market: str, part: str, rows: pl.DataFrame) -> str:
        """Write a polars frame as one part; see `write`."""
        nullable = pa.schema([column.with_nullable(True) for column in table.schema])
        return self.write(
            table, market, part, rows.select(table.schema.names).to_arrow().cast(nullable).cast(table.schema)
        )

    def select(self, table: Table, market: str, column: str, values: Sequence[str]) -> pa.Table:
        """The rows that have one of these values."""
        wanted = pa.array(values, pa.string())
        found = [table.schema.empty_table()]
        for path in self.parts(table, market):
            rows = self._read_part(table, path)
            found.append(rows.filter(pc.is_in(rows[column], wanted)).cast(table.schema))
        return pa.concat_tables(found)

    def drop_rows(self, table: Table, market: str, column: str, values: Sequence[str]) -> int:
        """Remove the rows that have one of these values; how many. Readers see a part as it was or as it is then."""
        unwanted, dropped = pa.array(values, pa.string()), 0
        for path in self.parts(table, market):
            rows = self._read_part(table, path)
            left = rows.filter(pc.invert(pc.is_in(rows[column], unwanted)))
            if len(left) < len(rows):
                self._replace(path, left.cast(table.schema))
                dropped += len(rows) - len(left)
        return dropped

    def _replace(self, path: str, rows: pa.Table) -> None:
        folder, _, name = path.rpartition("/")
        draft = f"{folder}/.{name}.draft"
        pq.write_table(rows, draft, filesystem=self.filesystem)
        self.filesystem.move(draft, path)

    def remove(self, market: str) -> None:
        """Remove all tables of a market."""
        for table in TABLES.values():
            if self.parts(table, market):
                self.filesystem.delete_dir(self.partition(table, market))

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
            found += [f"{table.name}: {fault}" for fault in violations(table, rows) + check_key(table, rows)]
            tables[table.name] = rows
        if {"orders", "returns"} <= tables.keys():
            orphans = tables["returns"].join(tables["orders"].select(["line_id"]), "line_id", join_type="left anti")
            if orphans.num_rows:
                found.append(
                    f"returns: {orphans.num_rows} rows name no order line, such as {orphans.slice(0, 3).to_pylist()}"
                )
        return found
