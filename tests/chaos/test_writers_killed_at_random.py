"""Two hundred kills of each writer, at random moments: a reader finds what was, or what was to be, and all of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.killed_writers import Pairs, kill

KILLS = 200
HOLDS = "whole or not there, nothing acknowledged lost, counts add up, the next writer goes on"


@pytest.mark.timeout(1_800)
@pytest.mark.row("writers: lake", f"kill -9 at {KILLS} random moments of deliveries, in each table format", HOLDS)
@pytest.mark.parametrize(("name", "within_s"), [("parquet", 0.2), ("delta", 0.4), ("iceberg", 0.8)])
def test_deliveries(figure: Callable[[str], None], name: str, within_s: float, tmp_path: Path) -> None:
    figure(f"{name}: {kill(name, tmp_path, KILLS, within_s)}")


@pytest.mark.timeout(1_800)
@pytest.mark.row("writers: ledger", f"kill -9 at {KILLS} random moments of appends", HOLDS)
def test_ledger_entries(figure: Callable[[str], None], tmp_path: Path) -> None:
    figure(str(kill("ledger", tmp_path, KILLS, 0.05)))


@pytest.mark.timeout(1_800)
@pytest.mark.row("writers: pair log", f"kill -9 at {KILLS} random moments of flushes and compactions", HOLDS)
def test_pair_log(figure: Callable[[str], None], tmp_path: Path) -> None:
    figure(str(kill("pair log", tmp_path, KILLS, 0.2)))
    # However many files the killed have left.
    assert {Pairs(home).compacted() for home in tmp_path.iterdir()} == {1}
