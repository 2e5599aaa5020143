"""Compaction: whenever it is killed, and whatever is written meanwhile, each pair is read once."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.fs as pa_fs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.base.errors import DataError, TransientError
from libs.features.lake import Lake
from libs.features.table_formats.table_format import TableFormat
from libs.models import pair_compaction
from libs.models.pair_compaction import compact, remove_old
from libs.models.pair_log import files, forget, read_window, window_folder, windows, write_counts, write_part
from libs.models.pair_writer import PairLog, as_table
from tests.pairs import add, pair

_CHANGES = ("open_output_stream", "move", "delete_file")


class Killed(BaseException):
    """What ends a process in the middle; nobody catches it."""


class Watched:
    """The tables of a lake whose filesystem calls `before` with each change that is about to be made."""

    def __init__(self, root: str, before: Callable[[str, str], None]) -> None:
        self.root, self.filesystem = root, self
        self._filesystem, self._before = pa_fs.LocalFileSystem(), before

    def __getattr__(self, name: str) -> Any:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            self._before(name, str(path))
            return getattr(self._filesystem, name)(path, *arguments, **options)

        return call


def watched(lake: Lake, before: Callable[[str, str], None]) -> Lake:
    return Lake(cast(TableFormat, Watched(lake.root, before)))


def killed_before(lake: Lake, change: int) -> Lake:
    """The lake for a process that is killed before it makes its n-th change."""
    made = 0

    def before(name: str, path: str) -> None:
        nonlocal made
        made += name in _CHANGES
        if made == change:
            raise Killed

    return watched(lake, before)


def go_on() -> None:
    """The log is this process's own."""


def write(lake: Lake, part: int, numbers: list[int]) -> None:
    folder = window_folder(lake, "de", "w")
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_part(lake, f"{folder}/part-x-{part:06d}", as_table([pair(number) for number in numbers]))


def read(lake: Lake) -> list[str]:
    return sorted(read_window(lake, "de", "w")[0]["request_id"])


def parquet(lake: Lake) -> list[str]:
    return [path.rpartition("/")[2] for path in files(lake, window_folder(lake, "de", "w"), ".parquet")]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path))


def test_many_small_files_become_one_in_the_order_of_time_and_one_is_left_alone(lake: Lake) -> None:
    for part, number in enumerate((3, 1, 2)):
        write(lake, part, [number])
    assert compact(lake, "de", "w", go_on) == 3
    assert read_window(lake, "de", "w")[0]["request_id"].to_list() == ["r1", "r2", "r3"]
    [name] = parquet(lake)
    assert compact(lake, "de", "w", go_on) == 0
    assert parquet(lake) == [name]


def test_a_file_that_is_large_enough_is_not_written_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_compaction, "_ROWS_OF_A_FILE", 3)
    write(lake, 0, [0, 1, 2])
    for part in range(1, 6):
        write(lake, part, [2 * part + 1, 2 * part + 2])
    assert compact(lake, "de", "w", go_on) == 4
    assert {"part-x-000000.parquet", "part-x-000005.parquet"} <= set(parquet(lake))
    assert len(parquet(lake)) == 4
    assert read(lake) == sorted(f"r{number}" for number in range(13))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 4)),
            st.tuples(st.just("compact"), st.integers(0, 8)),
            st.tuples(st.just("forget"), st.integers(0, 12)),
        ),
        max_size=12,
    )
)
def test_killed_before_any_change_and_run_again_or_not_every_pair_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    lake, there = Lake.open(str(tmp_path_factory.mktemp("lake"))), list[int]()
    begun = parts = 0
    for step, number in steps:
        if step == "write":
            write(lake, parts, list(range(begun, begun + number)))
            there += range(begun, begun + number)
            begun, parts = begun + number, parts + 1
        elif step == "forget":
            assert forget(lake, "de", f"h{number}") == there.count(number)
            there = [one for one in there if one != number]
        else:
            # 0: it is not killed.
            with suppress(Killed):
                compact(killed_before(lake, number), "de", "w", go_on)
        assert read(lake) == sorted(f"r{one}" for one in there)
    compact(lake, "de", "w", go_on)
    assert read(lake) == sorted(f"r{one}" for one in there)
    assert len(parquet(lake)) <= 1
    assert files(lake, window_folder(lake, "de", "w"), ".draft") == []


def test_parts_that_are_written_while_others_are_compacted_stay(lake: Lake) -> None:
    for part in range(2):
        write(lake, part, [part])
    late = iter(range(2, 100))

    def before(name: str, path: str) -> None:
        if name in _CHANGES:
            number = next(late)
            write(lake, number, [number])

    compact(watched(lake, before), "de", "w", go_on)
    assert read(lake) == sorted(f"r{number}" for number in range(next(late)))


def test_who_reads_while_files_are_replaced_reads_each_pair_once(lake: Lake) -> None:
    for part in range(3):
        write(lake, part, [part])
    found = False

    def before(name: str, path: str) -> None:
        nonlocal found
        if name == "open_input_file" and not found:
            found = True
            compact(lake, "de", "w", go_on)

    rows, _ = read_window(watched(lake, before), "de", "w")
    assert sorted(rows["request_id"]) == ["r0", "r1", "r2"]


def test_a_compaction_that_has_lost_its_lock_writes_nothing(lake: Lake) -> None:
    for part in range(2):
        write(lake, part, [part])

    def lost() -> None:
        raise TransientError("another may be at work by now")

    before = parquet(lake)
    with pytest.raises(TransientError):
        compact(lake, "de", "w", lost)
    assert parquet(lake) == before


def test_a_file_that_is_not_of_the_pair_log_stops_the_compaction_and_loses_nothing(lake: Lake) -> None:
    write(lake, 0, [0])
    write(lake, 1, [1])
    pa.parquet.write_table(pa.table({"x": [1]}), f"{window_folder(lake, 'de', 'w')}/part-y-000000.parquet")
    before = parquet(lake)
    with pytest.raises(DataError, match="x is int64"):
        compact(lake, "de", "w", go_on)
    assert parquet(lake) == before


def aged(lake: Lake, window: str, days: int) -> None:
    """A window in which a replica wrote last so many days ago."""
    log = PairLog(lake.root, flush_s=3600)
    log.count_request("de", window, "c", sampled=True)
    add(log, window, pair(0))
    log.close()
    at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for path in Path(window_folder(lake, "de", window)).iterdir():
        os.utime(path, (at, at))


def test_windows_without_a_write_for_so_long_are_removed_but_not_those_to_keep(lake: Lake) -> None:
    for window, days in (("v2", 100), ("v3", 91), ("v4", 89), ("v5", 100)):
        aged(lake, window, days)
    # What is done to an old window makes it no younger.
    write_counts(lake, f"{window_folder(lake, 'de', 'v2')}/counts-forgotten-h", {})
    write_part(lake, f"{window_folder(lake, 'de', 'v2')}/compacted-x", as_table([pair(1)]))
    before = datetime.now(UTC) - timedelta(days=90)
    assert remove_old(lake, "de", before, {"v5"}) == ["v2", "v3"]
    assert windows(lake, "de") == ["v4", "v5"]
    assert remove_old(lake, "de", before, {"v5"}) == []
