"""The ordinal model: probabilities that sum to one, and never move the wrong way as the size grows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.base.errors import DataError
from libs.features.frames import requests_from_training
from libs.models.ordinal import Calibration, fit_calibration, log_losses, probabilities
from libs.models.outcomes import FIT, LARGE, SMALL, beyond, check_outcomes
from libs.models.training import Fitted

margin = st.floats(-20, 20)


def test_p_small_never_rises_and_p_large_never_falls_with_the_size(fitted: Fitted) -> None:
    requests = requests_from_training(fitted.holdout)
    predicted = fitted.package.predict(requests)
    steps = np.diff(predicted, axis=0)
    within = np.diff(requests.question_of_size) == 0
    assert within.sum() > 1000
    assert (steps[within, SMALL] <= 0).all()
    assert (steps[within, LARGE] >= 0).all()


def test_it_learns_the_market(fitted: Fitted) -> None:
    assert fitted.evaluation.overall.auc_macro is not None
    assert fitted.evaluation.overall.auc_macro > 0.65


def test_each_outcome_answers_both_questions() -> None:
    assert beyond(np.array([SMALL, FIT, LARGE], dtype=np.int8)).tolist() == [[0, 0], [1, 0], [1, 1]]


@given(margin, margin, st.floats(0.1, 3), st.floats(-2, 2), st.floats(-2, 2))
def test_probabilities_are_never_negative_and_sum_to_one(
    first: float, second: float, slope: float, one: float, two: float
) -> None:
    found = probabilities(np.array([[first, second]]), Calibration(slope, (one, two)))[0]
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)


def test_calibration_finds_the_slope_and_intercepts_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    raw = np.column_stack([rng.normal(1, 1, 100_000), rng.normal(-2, 1, 100_000)])
    raw[:, 1] = raw[:, 0] - 3
    truth = probabilities(raw, Calibration(0.5, (0.3, -0.4)))
    outcomes = (rng.random(len(raw))[:, None] > truth.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    found = fit_calibration(raw, outcomes)
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercepts == pytest.approx((0.3, -0.4), abs=0.06)


def test_training_without_one_of_the_outcomes_is_refused_with_the_counts() -> None:
    with pytest.raises(DataError, match=r"'small': 0, 'fit': 2, 'large': 1"):
        check_outcomes(np.array([FIT, FIT, LARGE], dtype=np.int8))


def test_log_loss_is_of_what_happened() -> None:
    predicted = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    assert log_losses(predicted, np.array([FIT, FIT], dtype=np.int8)).tolist() == pytest.approx([np.log(2), 0])
