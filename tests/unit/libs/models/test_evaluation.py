"""Measures, against numbers worked out by hand."""

import numpy as np
import pytest

from libs.models.evaluation import calibration_error, evaluate
from libs.models.training import Fitted


def test_a_forecast_that_is_always_right_in_frequency_has_no_calibration_error() -> None:
    predicted = np.tile([0.25, 0.5, 0.25], (1500, 1))
    outcomes = np.tile(np.array([0, 1, 1, 2], dtype=np.int8), 375)
    assert calibration_error(predicted, outcomes) == pytest.approx(0, abs=1e-12)


def test_calibration_error_is_the_mean_gap_of_forecast_and_frequency() -> None:
    # Forecast 0.5 / 0.5 / 0, and it is always the first: gaps 0.5, 0.5 and 0, so a third of 1.
    predicted = np.tile([0.5, 0.5, 0.0], (30, 1))
    assert calibration_error(predicted, np.zeros(30, dtype=np.int8)) == pytest.approx(1 / 3)


def test_evaluation_has_a_loss_per_line_and_slices_that_split_the_lines(fitted: Fitted) -> None:
    found = evaluate(fitted.package, fitted.holdout)
    assert len(found.losses) == found.overall.lines == len(fitted.holdout)
    assert found.losses.mean() == pytest.approx(found.overall.log_loss)
    cold = fitted.holdout.filter(fitted.holdout["history_kept"].list.sum() == 0)
    assert ("cold_customer" in found.slices) == bool(len(cold))
    assert found.slices["warm_customer"].lines == found.overall.lines - len(cold)
    assert found.slices["division_apparel"].lines == found.overall.lines


def test_a_market_with_one_outcome_has_no_areas_and_no_crash(fitted: Fitted) -> None:
    kept = fitted.holdout.filter(fitted.holdout["outcome"] == "fit")
    found = evaluate(fitted.package, kept).overall
    assert found.auc_macro is None
    assert found.auc_fit is None
    assert found.log_loss > 0
