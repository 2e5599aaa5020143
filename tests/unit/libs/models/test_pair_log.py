"""The pair log as it is read: every release's files or a plain refusal, and nobody who was forgotten."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.base.errors import DataError
from libs.features.lake import Lake
from libs.models import pair_log
from libs.models.pair_log import SCHEMA, Pair, count, forget, read_window, window_folder, write_part
from libs.models.pair_writer import PairLog, as_table
from tests.pairs import add, pair


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path))


def part_of(lake: Lake, rows: pa.Table) -> None:
    """A file as an earlier release left it."""
    folder = Path(window_folder(lake, "de", "w"))
    folder.mkdir(parents=True)
    pq.write_table(rows, folder / "part-x-000000.parquet")


def test_a_pair_is_a_row_of_the_schema() -> None:
    assert list(Pair._fields) == SCHEMA.names


def test_a_window_nobody_has_written_is_empty(lake: Lake) -> None:
    rows, counts = read_window(lake, "de", "none")
    assert (rows.columns, len(rows), counts.expected) == (SCHEMA.names, 0, 0)


def test_a_column_that_an_older_release_did_not_write_is_null(lake: Lake) -> None:
    part_of(lake, as_table([pair(0)]).drop_columns(["slices"]))
    rows, _ = read_window(lake, "de", "w")
    assert (rows["slices"].to_list(), rows["request_id"].to_list()) == ([None], ["r0"])


def test_what_a_newer_release_wrote_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(window_folder(lake, "de", "w")).mkdir(parents=True)
    with monkeypatch.context() as newer:
        newer.setattr(pair_log, "VERSION", pair_log.VERSION + 1)
        write_part(lake, f"{window_folder(lake, 'de', 'w')}/part-x-000000", as_table([pair(0)]))
    with pytest.raises(DataError, match=r"part-x-000000.parquet is of format 3.*reads formats up to 2"):
        read_window(lake, "de", "w")


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [("champion_batch", ["one"], "champion_batch is string"), ("email", ["a@b.de"], "email is string")],
)
def test_another_column_or_type_is_refused(lake: Lake, column: str, values: list[str], said: str) -> None:
    rows = as_table([pair(0)])
    names = [name for name in rows.column_names if name != column]
    part_of(lake, rows.select(names).append_column(column, pa.array(values)))
    with pytest.raises(DataError, match=said):
        read_window(lake, "de", "w")


def test_what_is_not_of_the_schema_is_not_written(lake: Lake) -> None:
    with pytest.raises(pa.ArrowTypeError):
        as_table([pair(0)._replace(champion_sizes=[38])])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="schema"):
        write_part(lake, f"{lake.root}/part", as_table([pair(0)]).drop_columns(["slices"]))


def test_a_customer_who_is_forgotten_has_no_pair_and_is_not_missed(lake: Lake) -> None:
    for window in ("w1", "w2"):
        log = PairLog(lake.root, flush_s=3600)
        for number in range(5):
            for _ in range(2):
                log.count_request("de", window, f"c{number}", sampled=True)
                add(log, window, pair(number))
                log.flush()
        log.close()
    assert count(lake, "de", "h3") == 4
    assert forget(lake, "de", "h3") == 4
    assert (count(lake, "de", "h3"), forget(lake, "de", "h3"), forget(lake, "us", "h3")) == (0, 0, 0)
    for window in ("w1", "w2"):
        rows, counts = read_window(lake, "de", window)
        assert sorted(set(rows["customer"])) == ["h0", "h1", "h2", "h4"]
        assert (len(rows), counts.expected, counts.customers, counts.customers_sampled) == (8, 8, 4, 4)


def test_a_draft_that_a_killed_writer_has_left_is_gone_with_whom_it_names(lake: Lake) -> None:
    folder = Path(window_folder(lake, "de", "w"))
    folder.mkdir(parents=True)
    write_part(lake, f"{folder}/part-x-000000", as_table([pair(1)]))
    # Killed when the file was written and had not its name yet.
    (folder / "part-x-000000.parquet").rename(folder / "part-x-000000.draft")
    write_part(lake, f"{folder}/part-y-000000", as_table([pair(2)]))
    assert forget(lake, "de", "h1") == 0
    assert [path for path in folder.iterdir() if b"h1" in path.read_bytes()] == []
    assert read_window(lake, "de", "w")[0]["request_id"].to_list() == ["r2"]
