"""Few files in place of many in the pair log, and windows that are over for long removed.

A replica writes a part every few seconds. Compaction writes their rows as one file that names them, and only then
deletes them; who reads leaves out what is named (`pair_log.standing`). So no moment, and no kill, shows a pair twice or
not at all, and nothing is asked of the store but that a file is there whole or not at all. Replicas go on writing
meanwhile: a part that is there never changes.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from datetime import datetime

import pyarrow as pa
import pyarrow.fs as pa_fs

from libs.base import redis_lock
from libs.base.redis_lock import Held, hold
from libs.base.redis_url import connect
from libs.features.lake import Lake
from libs.models.pair_log import (
    SCHEMA,
    files,
    read_part,
    rows_in,
    standing,
    window_folder,
    windows,
    write_part,
)

# A file of so many rows is some 30 MB, and is not written again.
_ROWS_OF_A_FILE = 250_000
_TIMEOUT_S = 2.0


def alone(redis_url: str, environment: str, market: str) -> AbstractContextManager[Held]:
    """Hold a market's pair log: whoever replaces files of it does so alone. Replicas write new ones meanwhile.

    Raises:
        TransientError: another does, or Redis is away.
    """
    busy = f"market {market!r}: another is at work on its pair log. Run it again when that has ended."
    name = f"fitwave:{{{environment}}}:pair_log:{market}"
    return hold(connect(redis_url, _TIMEOUT_S), name, redis_lock.HELD_S + 1, busy)


def compact(lake: Lake, market: str, window: str, go_on: Callable[[], None]) -> int:
    """Replace the small files of a window by few; how many were replaced.

    `go_on` is called before each file is written, and raises when the market's pair log is not this process's any more.

    Raises:
        DataError: a newer release wrote one of the files.
    """
    folder, replaced = window_folder(lake, market, window), 0
    stay = _finish(lake, folder)
    for group in _groups(lake, stay):
        rows = pa.concat_tables([SCHEMA.empty_table(), *(read_part(lake, path) for path in group)]).sort_by("at")
        names = [path.rpartition("/")[2] for path in group]
        go_on()
        # The same files make the same name, so that what was killed and run again is written once.
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        write_part(lake, f"{folder}/compacted-{digest}", rows, names)
        _delete(lake, group)
        replaced += len(group)
    return replaced


def remove_old(lake: Lake, market: str, before: datetime, keep: Collection[str]) -> list[str]:
    """Remove the windows in which no replica has written since `before`, but for those to `keep`; which they were."""
    removed = []
    for window in windows(lake, market):
        selector = pa_fs.FileSelector(window_folder(lake, market, window))
        found = lake.filesystem.get_file_info(selector)
        # Compacting and forgetting write anew what is old.
        told = [info.mtime for info in found if _by_replica(info.base_name)]
        if window not in keep and told and max(told) < before:
            lake.filesystem.delete_dir(window_folder(lake, market, window))
            removed.append(window)
    return removed


def _by_replica(name: str) -> bool:
    return name.startswith(("counts-", "part-")) and not name.startswith("counts-forgotten-")


def _finish(lake: Lake, folder: str) -> list[str]:
    """Do what a compaction that was killed had left to do; the files that hold the pairs.

    First of all: were a compacted file replaced before what it names is gone, that would come back.
    """
    stay, replaced = standing(lake, folder)
    _delete(lake, [*replaced, *(path for path in files(lake, folder, ".draft") if "/compacted-" in path)])
    return stay


def _groups(lake: Lake, paths: list[str]) -> Iterator[list[str]]:
    """Files that become one together, each group of two at least."""
    group: list[str] = []
    held = 0
    for path in paths:
        rows = rows_in(lake, path)
        if rows >= _ROWS_OF_A_FILE:
            continue
        group.append(path)
        held += rows
        if held >= _ROWS_OF_A_FILE and len(group) > 1:
            yield group
            group, held = [], 0
    if len(group) > 1:
        yield group


def _delete(lake: Lake, paths: list[str]) -> None:
    for path in paths:
        lake.filesystem.delete_file(path)
