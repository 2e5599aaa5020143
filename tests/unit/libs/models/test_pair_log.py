"""The pair log: nothing silently lost, readable while it is written, bounded."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.features.lake import Lake
from libs.models import pair_log
from libs.models.pair_log import COMPLETE, PairLog, count, forget, read_window


def row(number: int) -> dict[str, Any]:
    return {
        "request_id": f"r{number}",
        "customer": f"h{number}",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "champion_version": "1",
        "challenger_version": "2",
        "outcome": COMPLETE,
        "article_ids": ["a"],
        "champion_sizes": ["38"],
        "challenger_sizes": ["40"],
        "champion_confidences": [0.5],
        "challenger_confidences": [0.6],
        "champion_s": 0.001,
        "challenger_s": 0.002,
        "champion_batch": 1,
        "challenger_batch": 1,
    }


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path))


def test_rows_and_counts_of_several_replicas_add_up(lake: Lake) -> None:
    for replica in range(2):
        log = PairLog(lake.root, flush_s=3600)
        for number in range(10):
            log.count_request("de", "w", f"c{replica}{number}", sampled=number % 2 == 0)
        log.add("de", "w", [row(number) for number in range(5)])
        log.close()
    rows, counts = read_window(lake, "de", "w")
    assert len(rows) == 10
    assert (counts.requests, counts.expected, counts.customers, counts.customers_sampled) == (20, 10, 20, 10)


def test_the_log_writes_by_itself(lake: Lake) -> None:
    log = PairLog(lake.root, flush_s=0.05)
    log.count_request("de", "w", "c", sampled=True)
    log.add("de", "w", [row(0)])
    for _ in range(200):
        if len(read_window(lake, "de", "w")[0]):
            break
        log._stopping.wait(0.02)
    assert len(read_window(lake, "de", "w")[0]) == 1
    log.close()


def test_flushing_twice_writes_a_row_once(lake: Lake) -> None:
    log = PairLog(lake.root, flush_s=3600)
    log.add("de", "w", [row(0)])
    log.flush()
    log.flush()
    log.close()
    assert len(read_window(lake, "de", "w")[0]) == 1


def test_beyond_its_bound_it_drops_rows_and_counts_them(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_log, "_MAX_BUFFERED", 3)
    log = PairLog(lake.root, flush_s=3600)
    log.add("de", "w", [row(number) for number in range(5)])
    log.close()
    rows, counts = read_window(lake, "de", "w")
    assert (len(rows), counts.dropped) == (3, 2)


def test_a_window_nobody_has_written_is_empty(lake: Lake) -> None:
    rows, counts = read_window(lake, "de", "none")
    assert rows.is_empty()
    assert counts.expected == 0


def test_a_customer_who_is_forgotten_has_no_pair_and_is_not_missed(lake: Lake) -> None:
    for window in ("w1", "w2"):
        log = PairLog(lake.root, flush_s=3600)
        for number in range(5):
            for _ in range(2):
                log.count_request("de", window, f"c{number}", sampled=True)
                log.add("de", window, [row(number)])
                log.flush()
        log.close()
    assert count(lake, "de", "h3") == 4
    assert forget(lake, "de", "h3") == 4
    assert (count(lake, "de", "h3"), forget(lake, "de", "h3"), forget(lake, "us", "h3")) == (0, 0, 0)
    for window in ("w1", "w2"):
        rows, counts = read_window(lake, "de", window)
        assert sorted(set(rows["customer"])) == ["h0", "h1", "h2", "h4"]
        assert (len(rows), counts.expected, counts.customers, counts.customers_sampled) == (8, 8, 4, 4)
