"""Tables as plain Parquet: `<root>/<table>/market=<market>/<part>.parquet`.

There are no earlier versions. A version names the files as they are, so that a read by it is the same or is refused.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from libs.base.errors import DataError
from libs.base.identifiers import check_name
from libs.features.schema import Table
from libs.features.table_formats.table_format import not_written, other_version

if TYPE_CHECKING:
    from ray.data import Dataset

_DRAFT = ".draft"


class ParquetTables:
    """Parquet files on any filesystem that Arrow reads."""

    name = "parquet"

    def __init__(self, root: str, filesystem: pa_fs.FileSystem) -> None:
        self.root = root
        self.filesystem = filesystem

    def folder(self, table: Table, market: str) -> str:
        """The folder of one table's market."""
        return f"{self.root}/{table.name}/market={check_name(market)}"

    def parts(self, table: Table, market: str) -> list[str]:
        return [info.base_name.removesuffix(".parquet") for info in self._files(table, market)]

    def markets(self) -> set[str]:
        selector = pa_fs.FileSelector(self.root, allow_not_found=True, recursive=True)
        names = (info.base_name for info in self.filesystem.get_file_info(selector))
        return {name.removeprefix("market=") for name in names if name.startswith("market=")}

    def version(self, table: Table, market: str) -> str:
        files = [f"{info.base_name} {info.size} {info.mtime_ns}" for info in self._files(table, market)]
        return hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]

    def require(self, table: Table, market: str, version: str) -> None:
        if version != self.version(table, market):
            raise other_version(
                table,
                market,
                version,
                "its files have been replaced, or others have come, and Parquet keeps no earlier versions. Read the "
                "lake as it is now; Delta Lake and Iceberg keep them.",
            )

    def schemas(self, table: Table, market: str) -> Iterable[tuple[str, pa.Schema]]:
        for info in self._files(table, market):
            try:
                yield info.path, pq.read_schema(info.path, filesystem=self.filesystem)
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(f"{info.path} is not a readable Parquet file: {error}. Deliver it again.") from error

    def count(self, table: Table, market: str) -> int:
        files = self._files(table, market)
        return sum(pq.read_metadata(info.path, filesystem=self.filesystem).num_rows for info in files)

    def read(self, table: Table, market: str, version: str | None = None, part: str | None = None) -> pa.Table:
        if version is not None:
            self.require(table, market, version)
        paths = [self._path(table, market, one) for one in ([part] if part else self.parts(table, market))]
        # partitioning=None: the market is in the path, and Arrow would add it as a column.
        rows = [pq.read_table(path, filesystem=self.filesystem, partitioning=None) for path in paths]
        return pa.concat_tables([one.select(table.schema.names) for one in rows] or [table.schema.empty_table()])

    def dataset(self, table: Table, versions: Mapping[str, str]) -> "Dataset":
        import ray.data

        for market, version in versions.items():
            self.require(table, market, version)
        paths = [info.path for market in versions for info in self._files(table, market)]
        return ray.data.read_parquet(paths, filesystem=self.filesystem)

    def replace(self, table: Table, market: str, part: str, rows: pa.Table) -> None:
        path = self._path(table, market, part)
        folder, _, name = path.rpartition("/")
        draft = f"{folder}/.{name}{_DRAFT}"
        try:
            self.filesystem.create_dir(folder, recursive=True)
            pq.write_table(rows, draft, filesystem=self.filesystem)
            self.filesystem.move(draft, path)
        except OSError as error:
            raise not_written(path, error) from error

    def remove(self, table: Table, market: str) -> None:
        if self.parts(table, market):
            self.filesystem.delete_dir(self.folder(table, market))

    def purge(self, table: Table, market: str) -> None:
        """There are no earlier versions; a killed delivery may have left a draft."""
        for info in self._files(table, market, _DRAFT):
            self.filesystem.delete_file(info.path)

    def _path(self, table: Table, market: str, part: str) -> str:
        return f"{self.folder(table, market)}/{part}.parquet"

    def _files(self, table: Table, market: str, ending: str = ".parquet") -> list[pa_fs.FileInfo]:
        selector = pa_fs.FileSelector(self.folder(table, market), allow_not_found=True)
        found = [info for info in self.filesystem.get_file_info(selector) if info.path.endswith(ending)]
        return sorted(found, key=lambda info: str(info.path))
