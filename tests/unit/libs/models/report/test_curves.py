"""Curves and tables, against numbers worked out by hand."""

import numpy as np
import pytest

from libs.models.bootstrap import Floats
from libs.models.lines import Lines
from libs.models.report.curves import (
    advice,
    confusion,
    coverage_points,
    histogram,
    precision_coverage,
    reliability,
    roc,
)


def made(outcomes: list[int], steps: list[int], confidence: Floats, bought: Floats | None = None) -> Lines:
    forecast = np.tile([0.2, 0.6, 0.2], (len(outcomes), 1)) if bought is None else bought
    customers = np.array([f"c{index}" for index in range(len(outcomes))], dtype=object)
    return Lines(customers, forecast, np.array(outcomes, dtype=np.int8), np.array(steps), confidence, confidence > 0.5)


def test_a_roc_curve_runs_from_nothing_flagged_to_everything_flagged() -> None:
    actual = np.array([0, 0, 1, 1], dtype=np.bool_)
    curve = roc(actual, np.array([0.1, 0.4, 0.35, 0.8]))
    assert curve is not None
    assert (curve.false_alarms[0], curve.found[0]) == (0, 0)
    assert (curve.false_alarms[-1], curve.found[-1]) == pytest.approx((1, 1))
    # One of the four pairs is in the wrong order.
    assert np.trapezoid(curve.found, curve.false_alarms) == pytest.approx(0.75, abs=0.01)


def test_an_outcome_that_never_or_always_occurs_has_no_roc_curve() -> None:
    score = np.array([0.1, 0.9])
    assert roc(np.array([True, True]), score) is None
    assert roc(np.array([False, False]), score) is None


def test_reliability_compares_forecast_and_frequency_in_bins_of_equal_mass() -> None:
    forecast = np.repeat([[0.2, 0.8, 0.0], [0.7, 0.3, 0.0]], 100, axis=0)
    small = np.concatenate([np.arange(100) < 20, np.arange(100) < 50])
    bins = reliability(made(np.where(small, 0, 1).tolist(), [0] * 200, np.ones(200), forecast), 0, 0.95)
    assert [one.lines for one in bins] == [20] * 10
    assert [one.forecast for one in bins] == pytest.approx([0.2] * 5 + [0.7] * 5)
    assert np.mean([one.observed.value for one in bins[:5] if one.observed.value is not None]) == pytest.approx(0.2)
    assert np.mean([one.observed.value for one in bins[5:] if one.observed.value is not None]) == pytest.approx(0.5)


def test_answering_only_the_surest_half_counts_only_its_kept_lines() -> None:
    # The surer half is always right, the other never; one line in four is not kept and says nothing of the right size.
    outcomes = [1, 1, 1, 0] * 50
    found = made(outcomes, [0] * 100 + [1] * 100, np.linspace(1.0, 0.0, 200))
    points = precision_coverage(found, 0.95)
    assert points[-1].coverage == 1.0
    assert points[-1].right.value == pytest.approx(0.5)
    assert [one.coverage for one in points] == sorted(one.coverage for one in points)
    [here] = coverage_points(found, np.array([0.5]), 0.95)
    assert here.coverage == pytest.approx(0.5)
    assert here.right.value == pytest.approx(1.0)


def test_precision_is_what_was_kept_of_the_purchases_of_the_size_that_is_named() -> None:
    # Named are the first hundred, of which every fourth came back; of the others none was bought.
    found = made([1, 1, 1, 0] * 50, [0] * 100 + [1] * 100, np.linspace(1.0, 0.0, 200))
    sure, everything = coverage_points(found, np.array([0.5, 0.0]), 0.95)
    assert sure.precision.value == everything.precision.value == pytest.approx(0.75)
    assert sure.precision.low is not None and sure.precision.low < 0.75
    nothing = made([1, 0] * 50, [1] * 100, np.ones(100))
    [never] = coverage_points(nothing, np.array([0.5]), 0.95)
    assert never.precision.value is None


def test_confusion_has_what_happened_in_rows_and_what_was_likeliest_in_columns() -> None:
    bought = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]])
    found = made([0, 0, 2], [0, 0, 0], np.ones(3), bought)
    assert confusion(found).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_advice_says_whether_the_named_size_is_smaller_the_same_or_larger() -> None:
    found = made([0, 1, 1, 2], [3, 0, -1, -2], np.ones(4))
    assert advice(found).tolist() == [[0, 0, 1], [1, 1, 0], [1, 0, 0]]


def test_a_histogram_counts_a_certain_forecast() -> None:
    assert histogram(np.array([0.0, 0.5, 1.0]), 2).tolist() == [1, 2]
