"""Tables as Iceberg in a SQL catalog: `lake.<table>`, partitioned by market and part. A version is a snapshot's id.

No statistic may name a customer: manifests are kept as long as their snapshots.
"""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pa_fs
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError
from pyiceberg.table import DataScan
from pyiceberg.table import Table as IcebergTable
from sqlalchemy.exc import SQLAlchemyError

from libs.base.errors import DataError, TransientError
from libs.base.identifiers import check_name
from libs.features.schema import TABLES, Table
from libs.features.table_formats.table_format import (
    GONE,
    MARKET,
    PART,
    declared,
    each_version,
    in_part,
    not_written,
    of_market,
    of_part,
    other_version,
    require_parts,
    without_partition_columns,
)

if TYPE_CHECKING:
    from ray.data import Dataset

_NAMESPACE = "lake"
_PROPERTIES = {"write.metadata.metrics.default": "none"}


class IcebergTables:
    """Iceberg tables of one SQL catalog; `warehouse` is where it keeps their files."""

    name = "iceberg"

    def __init__(self, catalog_uri: str, warehouse: str, root: str, filesystem: pa_fs.FileSystem) -> None:
        self._catalog_uri = catalog_uri
        self._warehouse = warehouse
        self.root = root
        self.filesystem = filesystem

    def parts(self, table: Table, market: str) -> list[str]:
        found = self._open(table)
        if found is None or not _scan(found, of_market(market)).count():
            return []
        partitions = [one.get("partition", {}) for one in found.inspect.partitions().to_pylist()]
        return sorted({one.get(PART, "all") for one in partitions if one.get(MARKET, market) == market})

    def markets(self) -> set[str]:
        opened = [found for table in TABLES.values() if (found := self._open(table)) is not None]
        scans = [found.scan(selected_fields=(MARKET,)).to_arrow() for found in opened]
        return {market for rows in scans for market in rows[MARKET].unique().to_pylist()}

    def version(self, table: Table, market: str) -> str:
        found = self._open(table)
        snapshot = found.current_snapshot() if found is not None else None
        return str(snapshot.snapshot_id) if snapshot is not None else ""

    def require(self, table: Table, market: str, version: str) -> None:
        found = self._open(table)
        if found is None or not version.isdecimal() or found.snapshot_by_id(int(version)) is None:
            raise other_version(table, market, version, "the table has no such snapshot (any more).")

    def schemas(self, table: Table, market: str) -> Iterable[tuple[str, pa.Schema]]:
        found = self._open(table)
        if found is not None:
            yield self._place(table), without_partition_columns(found.schema().as_arrow())

    def count(self, table: Table, market: str) -> int:
        found = self._open(table)
        return 0 if found is None else _scan(found, of_market(market)).count()

    def read(self, table: Table, market: str, version: str | None = None, part: str | None = None) -> pa.Table:
        if version is not None:
            self.require(table, market, version)
        found = self._open(table)
        if found is None:
            return table.schema.empty_table()
        has_parts = PART in found.schema().column_names
        wanted = of_part(market, part) if part is not None and has_parts else of_market(market)
        try:
            return declared(_scan(found, wanted, table, version).to_arrow(), table)
        except FileNotFoundError as error:
            raise other_version(table, market, version or "now", GONE) from error

    def dataset(self, table: Table, versions: Mapping[str, str]) -> "Dataset":
        import ray.data
        from ray.data.expressions import col

        catalog = {"name": _NAMESPACE, "type": "sql", "uri": self._catalog_uri, "warehouse": self._warehouse}

        def read(version: str, markets: list[str]) -> "Dataset":
            rows = ray.data.read_iceberg(
                table_identifier=f"{_NAMESPACE}.{table.name}", snapshot_id=int(version), catalog_kwargs=catalog
            )
            return rows.filter(expr=col(MARKET).is_in(markets)).select_columns([*table.schema.names, MARKET])

        return each_version(versions, read)

    def replace(self, table: Table, market: str, part: str, rows: pa.Table) -> None:
        made = in_part(rows, table, market, part)
        try:
            found = self._open(table) or self._create(table, made.schema)
            require_parts(found.schema().as_arrow(), table, self._place(table))
            with warnings.catch_warnings():
                # A part that is new replaces nothing.
                warnings.filterwarnings("ignore", "Delete operation did not match any records")
                found.overwrite(made, overwrite_filter=of_part(market, part))
        except CommitFailedException as error:
            raise TransientError(f"{self._place(table)} was written by somebody else meanwhile; try again") from error
        except SQLAlchemyError as error:
            raise not_written(self._place(table), f"its catalog says {type(error).__name__}") from error
        except OSError as error:
            raise not_written(self._place(table), error) from error

    def remove(self, table: Table, market: str) -> None:
        found = self._open(table)
        if found is not None and _scan(found, of_market(market)).count():
            found.delete(of_market(market))

    def purge(self, table: Table, market: str) -> None:
        found = self._open(table)
        if found is None:
            return
        live = {task.file.file_path.rpartition("/")[2] for task in _scan(found, of_market(market)).plan_files()}
        filesystem, root = pa_fs.FileSystem.from_uri(found.location())
        folder = f"{root}/data/{MARKET}={check_name(market)}"
        for info in filesystem.get_file_info(pa_fs.FileSelector(folder, allow_not_found=True, recursive=True)):
            if info.is_file and info.base_name not in live:
                filesystem.delete_file(info.path)

    def _place(self, table: Table) -> str:
        return f"the Iceberg table {_NAMESPACE}.{table.name}"

    def _catalog(self) -> SqlCatalog:
        # The catalog is a person's secret as often as not: its URI is in no message.
        try:
            return SqlCatalog(_NAMESPACE, uri=self._catalog_uri, warehouse=self._warehouse)
        except SQLAlchemyError as error:
            raise TransientError(f"the Iceberg catalog does not answer: {type(error).__name__}") from error

    def _open(self, table: Table) -> IcebergTable | None:
        url = urlsplit(self._catalog_uri)
        # SQLite makes the file that it is asked for; looking must not.
        if url.scheme == "sqlite" and not Path(url.path[1:]).exists():
            return None
        try:
            return self._catalog().load_table((_NAMESPACE, table.name))
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
        except FileNotFoundError as error:
            raise DataError(f"{self._place(table)} is damaged: {error}") from error

    def _create(self, table: Table, schema: pa.Schema) -> IcebergTable:
        self.filesystem.create_dir(self.root, recursive=True)
        catalog = self._catalog()
        catalog.create_namespace_if_not_exists(_NAMESPACE)
        name = (_NAMESPACE, table.name)
        # In one commit: a table that was made and never partitioned would be taken for somebody else's.
        made = catalog.create_table_transaction(name, schema=schema, properties=_PROPERTIES)
        with made, made.update_spec() as spec:
            spec.add_identity(MARKET)
            spec.add_identity(PART)
        return catalog.load_table(name)


def _scan(found: IcebergTable, wanted: str, table: Table | None = None, version: str | None = None) -> DataScan:
    columns = tuple(table.schema.names) if table is not None else ("*",)
    return found.scan(wanted, columns, snapshot_id=int(version) if version is not None else None)
