"""A replica's side of the pair log: bounded, nothing silently lost, and it is said what a kill may have taken."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.features.lake import Lake
from libs.models import pair_log, pair_writer
from libs.models.pair_log import read_window, window_folder
from libs.models.pair_writer import PairLog
from tests.pairs import add, pair


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path))


def told(lake: Lake) -> dict[str, Any]:
    """What the only replica has said of its window."""
    paths = list(Path(window_folder(lake, "de", "w")).glob("counts-*.json"))
    return dict(json.loads(paths[0].read_text())) if paths else {}


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rows_and_counts_of_several_replicas_add_up(lake: Lake) -> None:
    for replica in range(2):
        log = PairLog(lake.root, flush_s=3600)
        for number in range(10):
            log.count_request("de", "w", f"c{replica}{number}", sampled=number % 2 == 0)
        add(log, "w", *(pair(number) for number in range(5)))
        log.close()
    rows, counts = read_window(lake, "de", "w")
    assert len(rows) == 10
    assert (counts.requests, counts.expected, counts.customers, counts.customers_sampled) == (20, 10, 20, 10)
    assert (counts.killed, counts.lost_at_most) == (0, 0)


def test_the_log_writes_by_itself(lake: Lake) -> None:
    log = PairLog(lake.root, flush_s=0.05)
    log.count_request("de", "w", "c", sampled=True)
    add(log, "w", pair(0))
    wait_until(lambda: len(read_window(lake, "de", "w")[0]) == 1)
    log.close()


def test_rows_are_written_once_and_as_they_were(lake: Lake) -> None:
    log = PairLog(lake.root, flush_s=3600)
    add(log, "w", *(pair(number) for number in range(600)))
    log.flush()
    log.flush()
    log.close()
    assert list(read_window(lake, "de", "w")[0].iter_rows()) == [tuple(pair(n)) for n in range(600)]


def test_beyond_its_bound_it_drops_rows_and_counts_them(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_writer, "_MAX_BUFFERED", 3)
    log = PairLog(lake.root, flush_s=3600)
    for _ in range(2):
        add(log, "w", pair(0), pair(1))
    add(log, "w", pair(2))
    log.flush()
    add(log, "w", pair(3))
    log.close()
    rows, counts = read_window(lake, "de", "w")
    assert (rows["request_id"].to_list(), counts.dropped) == (["r0", "r1", "r2", "r3"], 2)


def test_rows_that_cannot_be_written_come_later_once_each(tmp_path: Path) -> None:
    blocked = tmp_path / "lake"
    blocked.touch()
    log = PairLog(str(blocked), flush_s=3600)
    for number in range(3):
        log.count_request("de", "w", "c", sampled=True)
        add(log, "w", pair(number))
        with pytest.raises(OSError, match="directory"):
            log.flush()
    blocked.unlink()
    log.close()
    rows, counts = read_window(Lake.open(str(blocked)), "de", "w")
    assert (rows["request_id"].to_list(), counts.expected) == (["r0", "r1", "r2"], 3)


def test_a_window_that_opens_is_told_before_its_first_request_and_closed_when_it_is_over(lake: Lake) -> None:
    log = PairLog(lake.root, flush_s=3600)
    log.set_windows([("de", "w")])
    wait_until(lambda: told(lake).get("closed") is False)
    log.count_request("de", "w", "c", sampled=True)
    log.set_windows([])
    wait_until(lambda: told(lake)["closed"])
    assert told(lake)["expected"] == 1
    # A mirrored call that was under way when the window ended.
    add(log, "w", pair(0))
    log.close()
    assert (len(read_window(lake, "de", "w")[0]), told(lake)["expected"], told(lake)["closed"]) == (1, 1, True)


def test_a_silent_replica_that_has_not_closed_was_killed_and_one_that_lives_was_not(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PairLog(lake.root, flush_s=3600)
    log.set_windows([("de", "w")])
    wait_until(lambda: bool(told(lake)))
    assert read_window(lake, "de", "w")[1].killed == 0
    monkeypatch.setattr(pair_log, "SILENT_S", 0.0)
    counts = read_window(lake, "de", "w")[1]
    assert (counts.killed, counts.lost_at_most) == (1, told(lake)["at_risk"])
    log.close()
    assert read_window(lake, "de", "w")[1].killed == 0


def test_a_replica_says_that_it_lives_when_it_has_nothing_else_to_say(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_writer, "_LIVES_S", 0.0)
    log = PairLog(lake.root, flush_s=3600)
    log.set_windows([("de", "w")])
    wait_until(lambda: bool(told(lake)))
    before = told(lake)
    log.flush()
    assert told(lake)["told_at"] > before["told_at"]
    log.close()


def test_a_replica_that_has_begun_what_it_said_says_so_again_long_before_it_flushes(lake: Lake) -> None:
    log = PairLog(lake.root, flush_s=3600)
    log.set_windows([("de", "w")])
    wait_until(lambda: bool(told(lake)))
    said, times = told(lake), 0
    for number in range(1, 500):
        log.count_request("de", "w", "c", sampled=True)
        if number - said["expected"] == said["at_risk"] // 2:
            wait_until(lambda now=number: told(lake)["expected"] == now)  # type: ignore[misc]
            said, times = told(lake), times + 1
    # More is taken at once, the more requests there are.
    assert 3 < times < 12
    assert len(read_window(lake, "de", "w")[0]) == 0
    log.close()
