"""Minimum standards: each one can fail alone, and the reason names it with value, interval and bound."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest

from libs.base.market import MinimumStandards, SliceStandard
from libs.models.evaluation import Evaluation, evaluation_of
from libs.models.lines import Lines
from libs.models.rival import Rival
from libs.models.standards import Check, Judgement, judge, judgement_from

LENIENT = MinimumStandards(
    min_auc_macro=0.5, max_log_loss=2.0, max_calibration_error=1.0, min_coverage=0.0, min_top1_accuracy=0.0
)
UNTIL = datetime(2026, 6, 20, 12, tzinfo=UTC)


def model(
    lines: int = 2_000, customers: int = 800, shift: float = 0.0, noise: float = 0.0, seed: int = 0
) -> Evaluation:
    """A calibrated forecast of made-up outcomes; `shift` and `noise`, in log-odds, make it a worse one."""
    rng = np.random.default_rng(seed)
    skill = rng.normal(0, 1.0, (lines, 3)) + np.array([-1.0, 0.5, -1.0])
    truth = np.exp(skill) / np.exp(skill).sum(axis=1, keepdims=True)
    outcomes = (rng.random(lines)[:, None] > truth.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    said = skill + np.array([shift, 0.0, 0.0]) + noise * np.random.default_rng(seed + 1).normal(0, 1, (lines, 3))
    predicted = np.exp(said) / np.exp(said).sum(axis=1, keepdims=True)
    confidence, steps = rng.random(lines), rng.integers(0, 2, lines)
    customer = rng.integers(0, customers, lines).astype(str).astype(object)
    found = Lines(customer, predicted, outcomes, steps, confidence, confidence < 0.9)
    return evaluation_of(found, {"cold_customer": np.arange(lines) % 2 == 0, "tiny": np.arange(lines) < 60})


def rival(evaluation: Evaluation, unseen: npt.NDArray[np.bool_] | None = None) -> Rival:
    rows = np.ones(len(evaluation.lines), dtype=bool) if unseen is None else unseen
    return Rival(UNTIL, rows, evaluation.lines.of(rows))


def the(judgement: Judgement, name: str) -> Check:
    check = judgement.check(name)
    assert check is not None, [check.name for check in judgement.checks]
    return check


def test_a_good_model_meets_the_standards_and_gives_no_reason() -> None:
    judgement = judge(MinimumStandards(), model(), champion=None)
    assert judgement.passed
    assert judgement.reason == ""


@pytest.mark.parametrize(
    "bound",
    [
        {"min_auc_macro": 0.99},
        {"max_log_loss": 0.01},
        {"max_calibration_error": 0.0},
        {"min_coverage": 0.99},
        {"min_top1_accuracy": 0.99},
        {"min_holdout_lines": 2_001},
    ],
)
def test_each_standard_can_reject_alone(bound: dict[str, float]) -> None:
    (key,) = bound
    judgement = judge(LENIENT.model_copy(update=bound), model(), champion=None)
    assert not judgement.passed
    assert judgement.reason.startswith(f"{key.removeprefix('min_').removeprefix('max_')} is ")
    assert f"the standard is {bound[key]:g}" in judgement.reason
    assert ";" not in judgement.reason


def test_a_market_with_one_outcome_misses_the_area_as_not_measurable() -> None:
    lines = model().lines
    judgement = judge(LENIENT, evaluation_of(lines.of(lines.kept), {}), champion=None)
    assert judgement.reason == "auc_macro is not measurable, the standard is 0.5"


def test_every_measure_has_an_interval_about_its_value() -> None:
    judgement = judge(LENIENT, model(), champion=None)
    for name in ("auc_macro", "log_loss", "calibration_error", "coverage", "top1_accuracy"):
        check = the(judgement, name)
        assert check.value is not None and check.low is not None and check.high is not None
        assert check.low < check.value < check.high


def test_the_measured_value_decides_and_the_interval_shows_how_narrow_it_was() -> None:
    value = model().overall.auc_macro
    assert value is not None
    met, missed = (LENIENT.model_copy(update={"min_auc_macro": value + by}) for by in (-0.002, 0.002))
    passed = judge(met, model(), champion=None)
    assert passed.passed
    assert passed.doubts == [str(the(passed, "auc_macro"))]
    assert passed.doubts[0].endswith("met, but not beyond doubt")
    rejected = judge(missed, model(), champion=None)
    assert rejected.reason == str(the(rejected, "auc_macro"))
    assert rejected.reason.endswith("narrowly: the interval reaches the standard")
    sure = judge(LENIENT.model_copy(update={"min_auc_macro": 0.95}), model(), champion=None)
    assert "narrowly" not in sure.reason


def test_confidence_is_the_markets_to_choose() -> None:
    def length(confidence: float) -> float:
        check = the(judge(LENIENT.model_copy(update={"confidence": confidence}), model(), None), "auc_macro")
        assert check.low is not None and check.high is not None
        return check.high - check.low

    assert length(0.8) < length(0.95) < length(0.99)


def test_few_customers_have_no_interval_and_the_value_decides_alone() -> None:
    judgement = judge(LENIENT, model(customers=10), champion=None)
    assert judgement.passed
    assert the(judgement, "auc_macro").low is None
    assert "(" not in str(the(judgement, "auc_macro"))


def test_a_slice_rejects_only_when_it_is_surely_missed_and_large_enough() -> None:
    found = model().slices["cold_customer"].auc_macro
    assert found is not None

    def with_floor(floor: float, min_lines: int) -> Judgement:
        slices = {"cold_customer": SliceStandard(min_auc_macro=floor, min_lines=min_lines)}
        return judge(LENIENT.model_copy(update={"slices": slices}), model(), champion=None)

    assert "cold_customer auc_macro" in with_floor(0.95, min_lines=500).reason
    assert with_floor(0.95, min_lines=5_000).passed
    unsure = with_floor(found + 0.005, min_lines=500)
    assert unsure.passed
    assert unsure.doubts == [str(the(unsure, "cold_customer auc_macro"))]
    assert the(unsure, "cold_customer auc_macro").low is not None


def test_a_slice_that_the_holdout_does_not_have_rejects_nobody() -> None:
    slices = {"division_hats": SliceStandard(min_auc_macro=0.9)}
    judgement = judge(LENIENT.model_copy(update={"slices": slices}), model(), champion=None)
    assert judgement.passed
    assert not the(judgement, "division_hats auc_macro").required


def test_a_version_like_the_champion_is_shown_to_be_no_worse() -> None:
    judgement = judge(LENIENT, model(noise=0.02), champion=rival(model()))
    assert judgement.passed
    for name in ("log_loss over champion", "auc_macro under champion"):
        check = the(judgement, name)
        assert check.high is not None
        assert check.high <= check.bound
        assert check.note == ""


def test_a_version_that_is_surely_worse_than_the_champion_is_rejected_in_both_measures() -> None:
    judgement = judge(LENIENT, model(noise=1.5), champion=rival(model()))
    assert "log_loss over champion is " in judgement.reason
    assert "auc_macro under champion is " in judgement.reason


def test_on_a_holdout_that_can_tell_the_whole_interval_keeps_the_margin() -> None:
    """The measured difference is within the margin, and could well be beyond it: that is not shown to be no worse."""
    challenger, champion = model(shift=0.6), rival(model())
    check = the(judge(LENIENT, challenger, champion), "log_loss over champion")
    assert check.value is not None and check.high is not None
    margin = (check.value + check.high) / 2
    judgement = judge(LENIENT.model_copy(update={"max_log_loss_over_champion": margin}), challenger, champion)
    assert not judgement.passed
    assert judgement.reason.endswith("the upper end of the interval must keep the standard")


@pytest.mark.parametrize(("noise", "margin", "passed"), [(0.3, 0.02, True), (0.3, 0.005, False)])
def test_on_a_holdout_too_small_to_tell_the_measured_difference_decides(
    noise: float, margin: float, passed: bool
) -> None:
    standards = LENIENT.model_copy(update={"max_log_loss_over_champion": margin, "max_auc_macro_under_champion": 1.0})
    judgement = judge(standards, model(600, 300, noise=noise), rival(model(600, 300)))
    check = the(judgement, "log_loss over champion")
    assert check.value is not None and check.low is not None and check.high is not None
    assert check.low < margin < check.high
    assert judgement.passed == passed == (check.value <= margin)
    assert check.note == "the holdout is too small to tell: the measured difference decides"
    assert (str(check) in judgement.doubts) == passed


@pytest.mark.parametrize(("worse", "passed"), [("champion", True), ("challenger", False)])
def test_a_difference_that_is_sure_is_sure_on_a_small_holdout_too(worse: str, passed: bool) -> None:
    good, bad = model(600, 300), model(600, 300, noise=2.0)
    challenger, champion = (good, bad) if worse == "champion" else (bad, good)
    judgement = judge(LENIENT, challenger, rival(champion))
    assert judgement.passed == passed
    assert the(judgement, "log_loss over champion").note == ""


def test_counts_are_written_as_counts() -> None:
    assert str(Check("holdout_lines", 19_662, 500, passed=True)) == "holdout_lines is 19,662, the standard is 500"


def test_only_lines_that_the_champion_has_not_seen_are_compared() -> None:
    """On the lines that it was trained on the champion looks far better than it is."""
    honest, flattered = model(), model(shift=0.0)
    late = np.arange(2_000) >= 1_000
    sharp = flattered.lines.predicted.copy()
    sharp[~late] = np.eye(3)[flattered.lines.outcomes[~late]] * 0.97 + 0.01
    champion = evaluation_of(replace(flattered.lines, predicted=sharp), flattered.members)
    assert not judge(LENIENT, honest, rival(champion)).passed
    judgement = judge(LENIENT, honest, rival(champion, late))
    assert judgement.passed
    assert the(judgement, "lines unseen by champion").value == 1_000
    assert the(judgement, "log_loss over champion").value == pytest.approx(0.0)


@pytest.mark.parametrize("left", [0, 499])
def test_a_champion_that_has_seen_nearly_all_of_the_holdout_cannot_be_compared_and_that_is_said(left: int) -> None:
    champion = rival(model(), np.arange(2_000) >= 2_000 - left)
    judgement = judge(LENIENT, model(), champion)
    assert judgement.reason == (
        f"lines unseen by champion is {left}, the standard is 500, it has learnt from orders until 2026-06-20 12:00, "
        f"so the two cannot be compared"
    )


def test_a_judgement_comes_back_from_plain_values() -> None:
    slices = {"cold_customer": SliceStandard(min_auc_macro=0.9)}
    judgement = judge(LENIENT.model_copy(update={"slices": slices}), model(noise=0.5), rival(model()))
    assert judgement_from(json.loads(json.dumps(asdict(judgement)))) == judgement


def test_a_judgement_without_intervals_that_an_older_version_wrote_is_read() -> None:
    old = {"name": "auc_macro", "value": 0.7, "bound": 0.6, "passed": True, "required": True}
    assert judgement_from({"checks": [old]}).passed


def test_bounds_have_names_that_a_metrics_store_takes() -> None:
    bounds = judge(LENIENT, model(noise=0.1), rival(model())).bounds
    assert {"auc_macro_low", "auc_macro_high", "log_loss_over_champion", "log_loss_over_champion_high"} <= set(bounds)
    assert "holdout_lines_low" not in bounds
    assert all(name.replace("_", "").isalnum() for name in bounds)
