"""A router that is killed takes pairs with it, and the integrity check says how many at most."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from apps.shadow.comparison import Integrity, compare
from libs.base.environment import REPOSITORY
from libs.features.lake import Lake
from libs.models import pair_log
from libs.models.pair_log import read_window
from tests.unit.apps.shadow.windows import WINDOW, losses

FLUSH_S = 0.5


def killed_after(lake: Path, pairs: int) -> int:
    """How many pairs a log had begun when it was killed, a while after so many."""
    command = [sys.executable, "-m", "tests.pair_log_process", str(lake), str(FLUSH_S)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= pairs:
                break
        process.kill()
        begun = [int(line), *(int(one) for one in process.stdout.read().split())]
    return max(begun)


def integrity(lake: Path) -> Integrity:
    rows, counts = read_window(Lake.open(str(lake)), "de", "w")
    return compare(rows, counts, losses(0.1, lines=200), WINDOW).integrity


@pytest.mark.parametrize("pairs", [5, 150, 433])
def test_what_a_killed_log_took_with_it_is_counted(pairs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = killed_after(tmp_path, pairs)
    # It may as well be silent: nobody knows yet.
    assert integrity(tmp_path).killed == 0
    monkeypatch.setattr(pair_log, "SILENT_S", 0.0)
    found = integrity(tmp_path)
    lost = begun - found.logged
    assert found.killed == 1
    assert 0 < lost <= found.expected - found.logged + found.lost_at_most
    assert found.completion == found.logged / (found.expected + found.lost_at_most)
    assert f"1 replica was killed, which may have lost up to {found.lost_at_most} more" in found.faults(WINDOW)[0]


def test_what_was_flushed_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed_after(tmp_path, 400)
    rows, counts = read_window(Lake.open(str(tmp_path)), "de", "w")
    logged = rows["request_id"].str.strip_prefix("r").cast(pl.Int64).sort().to_list()
    # Of all that was begun before the last part, each pair is there; the others had no answer yet.
    assert logged == [number for number in range(max(logged) + 1) if number % 10]
    assert counts.expected > max(logged)
