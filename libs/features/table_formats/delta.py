"""Tables as Delta Lake: `<root>/<table>`, partitioned by market and part. A version is Delta's own number.

No predicate and no statistic may name a customer: both stay in Delta's log for as long as the log does.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as pa_ds
import pyarrow.fs as pa_fs
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from libs.base.errors import DataError, TransientError
from libs.base.identifiers import check_name
from libs.features.schema import Table
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

_PROPERTIES = {
    # Model versions name the versions that they were made from, and are made again from them.
    "delta.logRetentionDuration": "interval 365 days",
    "delta.deletedFileRetentionDuration": "interval 365 days",
    # No lowest and highest customer of a file in the log.
    "delta.dataSkippingStatsColumns": MARKET,
}


class DeltaTables:
    """Delta tables on any filesystem that both Delta and Arrow read."""

    name = "delta"

    def __init__(self, uri: str, root: str, filesystem: pa_fs.FileSystem) -> None:
        self._uri = uri
        self.root = root
        self.filesystem = filesystem

    def parts(self, table: Table, market: str) -> list[str]:
        found = self._open(table)
        if found is None:
            return []
        return sorted({one.get(PART, "all") for one in found.partitions(file_pruning_predicate=of_market(market))})

    def markets(self) -> set[str]:
        names = (info.base_name for info in self.filesystem.get_file_info(self._everything()) if not info.is_file)
        tables = [DeltaTable(f"{self._uri}/{name}") for name in names if self._exists(name)]
        return {one[MARKET] for table in tables for one in table.partitions()}

    def version(self, table: Table, market: str) -> str:
        found = self._open(table)
        return "" if found is None else str(found.version())

    def require(self, table: Table, market: str, version: str) -> None:
        self._at(table, market, version)

    def schemas(self, table: Table, market: str) -> Iterable[tuple[str, pa.Schema]]:
        found = self._open(table)
        if found is not None:
            yield self._place(table), without_partition_columns(pa.schema(found.schema()))

    def count(self, table: Table, market: str) -> int:
        found = self._open(table)
        return 0 if found is None else int(_dataset(found, market).count_rows(filter=pa_ds.field(MARKET) == market))

    def read(self, table: Table, market: str, version: str | None = None, part: str | None = None) -> pa.Table:
        found = self._open(table) if version is None else self._at(table, market, version)
        if found is None:
            return table.schema.empty_table()
        rows, wanted = _dataset(found, market), pa_ds.field(MARKET) == market
        if part is not None and PART in rows.schema.names:
            wanted &= pa_ds.field(PART) == part
        try:
            return declared(rows.to_table(columns=table.schema.names, filter=wanted), table)
        except FileNotFoundError as error:
            raise other_version(table, market, str(found.version()), GONE) from error

    def dataset(self, table: Table, versions: Mapping[str, str]) -> "Dataset":
        import ray.data
        from ray.data.expressions import col

        def read(version: str, markets: list[str]) -> "Dataset":
            rows = ray.data.read_delta(self._place(table), version=int(version))
            found: Dataset = rows.filter(expr=col(MARKET).is_in(markets)).select_columns([*table.schema.names, MARKET])
            return found

        return each_version(versions, read)

    def replace(self, table: Table, market: str, part: str, rows: pa.Table) -> None:
        found = self._open(table)
        if found is not None:
            require_parts(pa.schema(found.schema()), table, self._place(table))
        try:
            write_deltalake(
                self._place(table),
                in_part(rows, table, market, part),
                mode="overwrite",
                predicate=of_part(market, part) if found is not None else None,
                partition_by=[MARKET, PART],
                configuration=_PROPERTIES if found is None else None,
            )
        except CommitFailedError as error:
            raise TransientError(f"{self._place(table)} was written by somebody else meanwhile; try again") from error
        except (DeltaError, OSError) as error:
            raise not_written(self._place(table), error) from error

    def remove(self, table: Table, market: str) -> None:
        found = self._open(table)
        if found is not None:
            found.delete(of_market(market))

    def purge(self, table: Table, market: str) -> None:
        found = self._open(table)
        if found is None:
            return
        live = {uri.rpartition("/")[2] for uri in found.file_uris(file_pruning_predicate=of_market(market))}
        folder = f"{self.root}/{table.name}/{MARKET}={check_name(market)}"
        for info in self.filesystem.get_file_info(pa_fs.FileSelector(folder, allow_not_found=True, recursive=True)):
            if info.is_file and info.base_name not in live:
                self.filesystem.delete_file(info.path)

    def _place(self, table: Table) -> str:
        return f"{self._uri}/{table.name}"

    def _exists(self, name: str) -> bool:
        return bool(DeltaTable.is_deltatable(f"{self._uri}/{name}"))

    def _everything(self) -> pa_fs.FileSelector:
        return pa_fs.FileSelector(self.root, allow_not_found=True)

    def _open(self, table: Table) -> DeltaTable | None:
        try:
            return DeltaTable(self._place(table))
        except TableNotFoundError:
            return None
        except DeltaError as error:
            raise DataError(f"{self._place(table)} is not a readable Delta table: {error}") from error

    def _at(self, table: Table, market: str, version: str) -> DeltaTable:
        try:
            return DeltaTable(self._place(table), version=int(version))
        except (DeltaError, ValueError) as error:
            raise other_version(table, market, version, f"{self._place(table)} has no such version: {error}") from error


def _dataset(table: DeltaTable, market: str) -> pa_ds.Dataset:
    return table.to_pyarrow_dataset(file_pruning_predicate=of_market(market))
