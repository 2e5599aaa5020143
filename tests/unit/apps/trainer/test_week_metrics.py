"""What a weekly job tells of itself, and that a week is not lost when nobody can be told."""

from typing import Any, cast

import pytest

from apps.trainer.week import MarketWeek
from apps.trainer.week_metrics import WeekMetrics
from libs.base.errors import TransientError
from libs.base.metric_board import MetricBoard
from tests.boards import Board


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def ended(outcome: str, stage: str, reason: str = "") -> MarketWeek:
    week = MarketWeek("de")
    week.end(outcome, stage, reason)
    return week


def metrics(board: Board, clock: Any = None) -> WeekMetrics:
    return WeekMetrics(cast(MetricBoard, board), clock or Clock())


def test_stages_take_as_long_for_each_market_that_shares_them() -> None:
    board, clock = Board(), Clock()
    told = metrics(board, clock)
    told.began(["de", "us"])
    with told.stage("train", ["de", "us"]):
        clock.now += 42
    assert board.told["fitwave_week_stage_seconds", "us", "train"] == 42
    assert board.told["fitwave_week_began_timestamp_seconds", "de"] == 100


def test_a_rejected_model_is_a_week_that_succeeded_and_a_failed_one_names_its_stage() -> None:
    board, clock = Board(), Clock()
    told = metrics(board, clock)
    told.ended(ended("rejected", "judge", "auc_macro"))
    clock.now += 1
    told.ended(ended("failed", "validate tables", "a column is missing"))
    assert board.told == {
        ("fitwave_week_ended_timestamp_seconds", "de"): 101,
        ("fitwave_week_succeeded_timestamp_seconds", "de"): 100,
        ("fitwave_week_outcomes_total", "de", "rejected"): 1,
        ("fitwave_week_outcomes_total", "de", "failed"): 1,
        ("fitwave_week_failures_total", "de", "validate tables"): 1,
    }


def test_a_week_that_is_cut_off_failed_in_the_stage_it_was_at() -> None:
    board = Board()
    told = metrics(board)
    with pytest.raises(TransientError), told.stage("train", ["de"]):
        raise TransientError("the cluster is away")
    told.ended(MarketWeek("de"))
    assert board.told["fitwave_week_failures_total", "de", "train"] == 1


def test_a_week_goes_on_when_nobody_can_be_told(caplog: pytest.LogCaptureFixture) -> None:
    told = metrics(Board(away=True))
    told.began(["de"])
    with told.stage("train", ["de"]):
        pass
    told.ended(ended("champion", "deploy"))
    assert caplog.text.count("are not told") == 3
