"""A Parquet lake's files, for tests that look at or break them behind the lake's back."""

from pathlib import Path

from libs.features.lake import Lake
from libs.features.schema import Table


def parquet_folder(lake: Lake, table: Table, market: str) -> Path:
    """Where the files of a market's table are."""
    return Path(lake.root) / table.name / f"market={market}"


def parquet_files(lake: Lake, table: Table, market: str) -> list[Path]:
    """The files of a market's table, in name order."""
    return sorted(parquet_folder(lake, table, market).glob("*.parquet"))
