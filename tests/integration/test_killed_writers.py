"""Writers that are killed at random moments leave what was, or what was to be, and never half of it."""

from pathlib import Path

import pytest

from tests.killed_writers import Pairs, kill

KILLS = 10


@pytest.mark.parametrize(("name", "within_s"), [("parquet", 0.2), ("delta", 0.4), ("iceberg", 0.8)])
def test_a_delivery_that_is_killed_is_whole_or_not_there(name: str, within_s: float, tmp_path: Path) -> None:
    assert kill(name, tmp_path, KILLS, within_s).kills == KILLS


def test_an_entry_whose_writer_is_killed_is_whole_or_not_there(tmp_path: Path) -> None:
    assert kill("ledger", tmp_path, KILLS, 0.05).kills == KILLS


def test_a_flush_or_compaction_that_is_killed_loses_and_doubles_no_pair(tmp_path: Path) -> None:
    assert kill("pair log", tmp_path, KILLS, 0.2).kills == KILLS
    assert {Pairs(home).compacted() for home in tmp_path.iterdir()} == {1}
