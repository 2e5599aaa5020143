"""Weighted measures: with whole weights they are the plain measures of lines that are there so often."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from libs.models import weighted
from libs.models.evaluation import measure
from libs.models.lines import Lines

LINES = 60


def some_lines(seed: int) -> Lines:
    rng = np.random.default_rng(seed)
    # Two digits: a tree model repeats its scores, and ties count as half.
    predicted = np.round(rng.dirichlet([2, 5, 2], LINES), 2)
    outcomes = rng.choice([0, 1, 2], LINES, p=[0.2, 0.6, 0.2]).astype(np.int8)
    outcomes[:3] = [0, 1, 2]
    confidence, steps = rng.random(LINES), outcomes.astype(np.int64) - 1
    return Lines(rng.integers(0, 20, LINES).astype(str), predicted, outcomes, steps, confidence, confidence < 0.7)


def weights(seed: int) -> npt.NDArray[np.float32]:
    drawn = np.random.default_rng(seed).poisson(1.0, (LINES, 3)).astype(np.float32)
    drawn[:3] = 1.0
    return drawn


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_a_weight_is_how_often_a_line_is_there(seed: int) -> None:
    lines, often = some_lines(seed), weights(seed)
    statistics = {
        "auc_macro": weighted.auc_macro(lines.predicted, lines.outcomes),
        "log_loss": weighted.mean(lines.losses),
        "coverage": weighted.mean(lines.answered),
        "top1_accuracy": weighted.mean(lines.hit, lines.kept),
    }
    for column in range(often.shape[1]):
        repeated = measure(lines.of(np.repeat(np.arange(LINES), often[:, column].astype(int))))
        for name, statistic in statistics.items():
            assert statistic(often)[column] == pytest.approx(getattr(repeated, name), rel=1e-5), name


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_an_area_is_what_scikit_learn_gives_for_these_weights(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    actual, score = rng.random(LINES) < share, np.round(rng.random(LINES), 1)
    actual[:2] = [True, False]
    often = weights(seed)
    found = weighted.area(actual, score)(often)
    expected = [roc_auc_score(actual, score, sample_weight=often[:, column]) for column in range(often.shape[1])]
    assert found == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 10_000))
def test_with_a_weight_of_one_the_calibration_error_is_the_plain_one(seed: int) -> None:
    lines = some_lines(seed)
    found = weighted.calibration_error(lines.predicted, lines.outcomes)(np.ones((LINES, 2), dtype=np.float32))
    assert found == pytest.approx([measure(lines).calibration_error] * 2, rel=1e-5)


def test_a_calibration_error_by_hand() -> None:
    # One forecast for all, so the bins of a class lie in line order: ten lines of "first" make fifteen bins of one or
    # none; each gap is 0.5, 0.5 and 0, whatever the weights.
    predicted = np.tile([0.5, 0.5, 0.0], (30, 1))
    statistic = weighted.calibration_error(predicted, np.zeros(30, dtype=np.int8))
    assert statistic(np.ones((30, 1), dtype=np.float32)) == pytest.approx([1 / 3])


def test_an_outcome_that_is_absent_has_no_area() -> None:
    one = np.ones((LINES, 1), dtype=np.float32)
    assert np.isnan(weighted.area(np.zeros(LINES, dtype=np.bool_), np.arange(LINES) / LINES)(one)).all()
    assert np.isnan(weighted.mean(np.ones(LINES), np.zeros(LINES, dtype=np.bool_))(one)).all()


def test_part_of_the_lines_is_measured_with_their_own_weights() -> None:
    values = np.arange(LINES, dtype=np.float64)
    rows = values < 3
    often = np.zeros((LINES, 1), dtype=np.float32)
    often[:3, 0] = [1, 0, 3]
    assert weighted.on(rows, weighted.mean(values[rows]))(often) == pytest.approx([6 / 4])
