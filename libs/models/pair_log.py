"""The pair log: what champion and challenger answered to the same request, as Parquet in the lake.

Its files are in `<lake>/_pairs/market=<m>/window=<w>/`: `part-*` as a replica wrote them (`libs.models.pair_writer`),
and `compacted-*`, which name the parts they stand for (`libs.models.pair_compaction`). `counts-*` is what each replica
meant to mirror, so that rows that were lost are missed and not overlooked.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from libs.base.errors import DataError, TransientError
from libs.base.stored_format import UNNUMBERED, decoding, numbered, require_readable, values_of
from libs.features.lake import Lake

COMPLETE, ERROR, TIMEOUT, SHED = "complete", "error", "timeout", "shed"

# Raised with each change of the columns: files of an older version lack columns, those of a newer one are refused.
VERSION = 2
_COUNTS_FORMAT = 2
_VERSION_KEY, _REPLACES_KEY = b"fitwave.pairs.version", b"fitwave.pairs.replaces"

SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("customer", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("champion_version", pa.string()),
        ("challenger_version", pa.string()),
        ("outcome", pa.string()),
        ("article_ids", pa.list_(pa.string())),
        ("champion_sizes", pa.list_(pa.string())),
        ("challenger_sizes", pa.list_(pa.string())),
        ("champion_confidences", pa.list_(pa.float64())),
        ("challenger_confidences", pa.list_(pa.float64())),
        ("champion_s", pa.float64()),
        ("challenger_s", pa.float64()),
        ("champion_batch", pa.int32()),
        ("challenger_batch", pa.int32()),
        ("slices", pa.list_(pa.string())),
    ]
)

# A replica says that it lives every 20 s, so one that is silent for longer, and has not closed its log, was killed.
SILENT_S = 90.0
# Whoever reads while parts are replaced looks again; compacting twice within one reading is rare already.
_LOOKS = 5


class Pair(NamedTuple):
    """One row, in the order of `SCHEMA`. `request_id` and `customer` are keyed hashes (`sampling.pseudonym`)."""

    request_id: str
    customer: str
    at: datetime
    champion_version: str
    challenger_version: str
    outcome: str
    article_ids: list[str]
    champion_sizes: list[str | None]
    challenger_sizes: list[str | None] | None
    champion_confidences: list[float | None]
    challenger_confidences: list[float | None] | None
    champion_s: float
    challenger_s: float | None
    champion_batch: int
    challenger_batch: int
    slices: list[str]


@dataclass
class Counts:
    """What replicas did in one window: requests seen, those they meant to mirror, rows they could not keep.

    `killed`: replicas that ended without closing their log; `lost_at_most`: the pairs beyond `expected` that they may
    have begun since they last said what they expect.
    """

    requests: int = 0
    expected: int = 0
    dropped: int = 0
    customers: int = 0
    customers_sampled: int = 0
    killed: int = 0
    lost_at_most: int = 0


def market_folder(lake: Lake, market: str) -> str:
    """Where a market's windows are."""
    return f"{lake.root}/_pairs/market={market}"


def window_folder(lake: Lake, market: str, window: str) -> str:
    """Where one shadow window's files are."""
    return f"{market_folder(lake, market)}/window={window}"


def windows(lake: Lake, market: str) -> list[str]:
    """The windows of a market that have files."""
    selector = pa_fs.FileSelector(market_folder(lake, market), allow_not_found=True)
    return sorted(info.base_name.removeprefix("window=") for info in lake.filesystem.get_file_info(selector))


def read_window(lake: Lake, market: str, window: str) -> tuple[pl.DataFrame, Counts]:
    """All pairs of a window, and the counts of all replicas together.

    Raises:
        DataError: a newer release wrote one of the files, or its columns are not the declared ones.
        TransientError: the files were replaced each time they were looked at.
    """
    folder = window_folder(lake, market, window)
    for _ in range(_LOOKS):
        try:
            # Counts first: a pair that is logged meanwhile is one too many, never one that seems lost.
            counts = _read_counts(lake, folder)
            parts = [read_part(lake, path) for path in standing(lake, folder)[0]]
        except FileNotFoundError:
            continue
        return pl.DataFrame(pl.from_arrow(pa.concat_tables([SCHEMA.empty_table(), *parts]))), counts
    raise TransientError(f"the pairs in {folder} were replaced {_LOOKS} times while they were read. Try again.")


def standing(lake: Lake, folder: str) -> tuple[list[str], list[str]]:
    """The files that hold the window's pairs, and those that a compacted file stands for by now."""
    paths = files(lake, folder, ".parquet")
    compacted = [path for path in paths if path.rpartition("/")[2].startswith("compacted-")]
    replaced = {f"{folder}/{name}" for path in compacted for name in _replaces(lake, path)}
    return [path for path in paths if path not in replaced], [path for path in paths if path in replaced]


def read_part(lake: Lake, path: str) -> pa.Table:
    """One file's pairs; columns that are younger than it are null.

    Raises:
        DataError: a newer release wrote it, or its columns are not the declared ones.
    """
    with lake.filesystem.open_input_file(path) as source, pq.ParquetFile(source) as file:
        metadata = file.schema_arrow.metadata or {}
        require_readable(int(metadata.get(_VERSION_KEY, UNNUMBERED)), VERSION, path)
        rows = file.read()
    wrong = [
        f"{column.name} is {column.type}"
        for column in rows.schema
        if column.name not in SCHEMA.names or SCHEMA.field(column.name).type != column.type
    ]
    if wrong:
        raise DataError(f"{path} does not have the columns of the pair log: {', '.join(wrong)}. Remove it to go on.")
    columns = [rows[one.name] if one.name in rows.schema.names else pa.nulls(len(rows), one.type) for one in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def rows_in(lake: Lake, path: str) -> int:
    """How many pairs a file has; reads none."""
    with lake.filesystem.open_input_file(path) as source:
        return int(pq.read_metadata(source).num_rows)


def write_part(lake: Lake, path: str, rows: pa.Table, replaces: list[str] | None = None) -> None:
    """Write pairs as one file, given without its ending; `replaces` names the files that it stands for from then on.

    Raises:
        pa.ArrowInvalid, ValueError: the rows are not of the schema.
    """
    metadata = {_VERSION_KEY: str(VERSION).encode(), _REPLACES_KEY: json.dumps(replaces or []).encode()}
    with lake.filesystem.open_output_stream(f"{path}.draft") as file:
        pq.write_table(rows.cast(SCHEMA).replace_schema_metadata(metadata), file)
    lake.filesystem.move(f"{path}.draft", f"{path}.parquet")


def write_counts(lake: Lake, path: str, values: dict[str, Any]) -> None:
    """Write one replica's counts, given without the ending; readers see the old ones or the new ones."""
    with lake.filesystem.open_output_stream(f"{path}.draft") as file:
        file.write(json.dumps(numbered(values, _COUNTS_FORMAT)).encode())
    lake.filesystem.move(f"{path}.draft", f"{path}.json")


def read_counts(lake: Lake, path: str) -> dict[str, Any]:
    """One replica's counts.

    Raises:
        DataError: a newer release wrote them, or the file is damaged.
    """
    with lake.filesystem.open_input_stream(path) as file, decoding(f"{path} has no counts"):
        return values_of(json.loads(file.read()), _COUNTS_FORMAT, path)


def files(lake: Lake, folder: str, ending: str) -> list[str]:
    """The paths of a folder's files that end so, in order."""
    selector = pa_fs.FileSelector(folder, allow_not_found=True)
    return sorted(info.path for info in lake.filesystem.get_file_info(selector) if info.path.endswith(ending))


def forget(lake: Lake, market: str, customer: str) -> int:
    """Remove the pairs of a pseudonym from all windows of a market; how many there were.

    The pairs were expected and are no more. What is taken out of the counts stands in a file of its own, so that a
    window never looks as if pairs had been lost; it is written first, and written again it says the same. A replica
    whose draft is taken away writes it again. The caller sees to it that nobody compacts meanwhile.
    """
    removed = 0
    for window in windows(lake, market):
        folder = window_folder(lake, market, window)
        found = read_window(lake, market, window)[0].filter(pl.col("customer") == customer).height
        removed += found
        if found:
            taken = Counts(-found, -found, 0, -1, -1)
            write_counts(lake, f"{folder}/counts-forgotten-{customer}", asdict(taken))
        # Also from those that are replaced and not yet removed.
        for path in files(lake, folder, ".parquet"):
            rows = read_part(lake, path)
            left = rows.filter(pc.not_equal(rows["customer"], customer))
            if len(left) < len(rows):
                write_part(lake, path.removesuffix(".parquet"), left, _replaces(lake, path))
        # Killed before they had their name, they name customers for as long as the window is kept.
        for path in files(lake, folder, ".draft"):
            with suppress(FileNotFoundError):  # it has its name by now
                lake.filesystem.delete_file(path)
    return removed


def count(lake: Lake, market: str, customer: str) -> int:
    """How many pairs of a pseudonym all windows of a market have."""
    every = (read_window(lake, market, window)[0] for window in windows(lake, market))
    return sum(pairs.filter(pl.col("customer") == customer).height for pairs in every)


def _replaces(lake: Lake, path: str) -> list[str]:
    with lake.filesystem.open_input_file(path) as source:
        metadata = pq.read_schema(source).metadata or {}
    return [str(name) for name in json.loads(metadata.get(_REPLACES_KEY, b"[]"))]


def _read_counts(lake: Lake, folder: str) -> Counts:
    total = Counts()
    for path in files(lake, folder, ".json"):
        told = read_counts(lake, path)
        for name in ("requests", "expected", "dropped", "customers", "customers_sampled"):
            setattr(total, name, getattr(total, name) + told[name])
        if _was_killed(told):
            total.killed += 1
            total.lost_at_most += told["at_risk"]
    return total


def _was_killed(told: dict[str, Any]) -> bool:
    """Whether the replica ended without closing; those of a release that did not say are taken to have closed."""
    if told.get("closed", True):
        return False
    return datetime.now(UTC) - datetime.fromisoformat(told["told_at"]) > timedelta(seconds=SILENT_S)
