"""Which table format a `lake_uri` names, and where its tables are.

| `lake_uri` | tables |
|---|---|
| `/path`, `s3://bucket/path` | Parquet |
| `delta+/path`, `delta+s3://bucket/path` | Delta Lake |
| `iceberg+/path` | Iceberg, with the catalog in `/path/catalog.db` |
| `iceberg+postgresql://user@host/db#s3://bucket/path` | Iceberg, with any SQL catalog and the warehouse after # |
"""

import pyarrow as pa
import pyarrow.fs as pa_fs

from libs.base.errors import DataError
from libs.features.table_formats.parquet import ParquetTables
from libs.features.table_formats.table_format import TableFormat


def open_format(lake_uri: str) -> TableFormat:
    """The tables that a URI or local path names; nothing is created.

    Raises:
        DataError: no filesystem takes this URI.
    """
    # Only the format that is asked for is imported.
    if lake_uri.startswith("delta+"):
        from libs.features.table_formats.delta import DeltaTables

        uri = lake_uri.removeprefix("delta+")
        return DeltaTables(uri, *_place(uri))
    if lake_uri.startswith("iceberg+"):
        from libs.features.table_formats.iceberg import IcebergTables

        catalog, _, warehouse = lake_uri.removeprefix("iceberg+").partition("#")
        if not warehouse:
            catalog, warehouse = f"sqlite:///{catalog}/catalog.db", catalog
        root, filesystem = _place(warehouse)
        return IcebergTables(catalog, f"file://{root}" if warehouse.startswith("/") else warehouse, root, filesystem)
    return ParquetTables(*_place(lake_uri))


def _place(uri: str) -> tuple[str, pa_fs.FileSystem]:
    try:
        filesystem, root = pa_fs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"lake_uri {uri!r} is not usable: {error}. Give an absolute path or a URI.") from error
    return root, filesystem
