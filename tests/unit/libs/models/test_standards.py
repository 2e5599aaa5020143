"""Minimum standards: each one can fail alone, and the reason names it with value and bound."""

from dataclasses import replace

import numpy as np
import pytest

from libs.base.market import MinimumStandards, SliceStandard
from libs.models.evaluation import Evaluation, Metrics
from libs.models.standards import judge

GOOD = Metrics(
    lines=1000,
    auc_macro=0.75,
    auc_weighted=0.74,
    auc_small=0.76,
    auc_fit=0.70,
    auc_large=0.79,
    log_loss=0.6,
    calibration_error=0.01,
    coverage=0.9,
    top1_accuracy=0.5,
)
STANDARDS = MinimumStandards()


def evaluation(**changes: float | None) -> Evaluation:
    return Evaluation(replace(GOOD, **changes), {"cold_customer": GOOD}, np.array([0.6]))  # type: ignore[arg-type]


def test_a_good_model_meets_the_standards_and_gives_no_reason() -> None:
    judgement = judge(STANDARDS, evaluation(), champion=None)
    assert judgement.passed
    assert judgement.reason == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"auc_macro": 0.55}, "auc_macro is 0.55, the standard is 0.6"),
        ({"auc_macro": None}, "auc_macro is not measurable, the standard is 0.6"),
        ({"log_loss": 1.2}, "log_loss is 1.2, the standard is 1"),
        ({"calibration_error": 0.2}, "calibration_error is 0.2, the standard is 0.05"),
        ({"coverage": 0.1}, "coverage is 0.1, the standard is 0.6"),
        ({"top1_accuracy": 0.1}, "top1_accuracy is 0.1, the standard is 0.3"),
        ({"lines": 10}, "holdout_lines is 10, the standard is 500"),
    ],
)
def test_each_standard_can_reject_alone(changes: dict[str, float], reason: str) -> None:
    judgement = judge(STANDARDS, evaluation(**changes), champion=None)
    assert not judgement.passed
    assert judgement.reason == reason


def test_a_model_worse_than_the_champion_by_more_than_the_margin_is_rejected() -> None:
    assert judge(STANDARDS, evaluation(log_loss=0.609), champion=evaluation()).passed
    judgement = judge(STANDARDS, evaluation(log_loss=0.62), champion=evaluation())
    assert judgement.reason == "log_loss over champion is 0.02, the standard is 0.01"


def test_a_slice_is_judged_when_it_is_large_enough_and_reported_anyway() -> None:
    strict = MinimumStandards(slices={"cold_customer": SliceStandard(min_auc_macro=0.9, min_lines=500)})
    assert "cold_customer auc_macro" in judge(strict, evaluation(), None).reason
    lenient = MinimumStandards(slices={"cold_customer": SliceStandard(min_auc_macro=0.9, min_lines=5000)})
    judgement = judge(lenient, evaluation(), None)
    assert judgement.passed
    assert [check.name for check in judgement.checks if not check.required] == ["cold_customer auc_macro"]
