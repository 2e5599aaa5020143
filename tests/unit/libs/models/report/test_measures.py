"""The report's measures are those of the evaluation, and can be resampled."""

import numpy as np
import pytest

from libs.models.evaluation import evaluate
from libs.models.report.answers import answers
from libs.models.report.measures import CLASS_AREAS, KEY_MEASURES, Measure, auc, equal_mass
from libs.models.report.resampling import Resampling
from libs.models.training import Fitted


@pytest.mark.parametrize("measure", [*KEY_MEASURES, *CLASS_AREAS], ids=lambda one: one.name)
def test_a_measure_has_the_value_that_the_standards_judge(fitted: Fitted, measure: Measure) -> None:
    found = answers(fitted.package, fitted.holdout)
    everything = np.ones(len(fitted.holdout), dtype=np.bool_)
    estimate = Resampling(fitted.holdout["customer_id"].to_list()).estimate(measure.of(found, everything))
    expected = getattr(evaluate(fitted.package, fitted.holdout).overall, measure.name)
    assert estimate.value == pytest.approx(expected, abs=1e-9)
    assert estimate.low is not None and estimate.high is not None
    assert estimate.low <= expected <= estimate.high


def test_an_area_from_ranked_groups_is_close_to_the_area_itself() -> None:
    rng = np.random.default_rng(0)
    actual = rng.random(5_000) < 0.2
    statistic = auc(actual, rng.normal(actual * 1.0, 1.0))
    assert statistic.value is not None
    sums = np.asarray(statistic.terms.sum(axis=0), dtype=np.float64).ravel()
    assert statistic.of_sums(sums) == pytest.approx(statistic.value, abs=5e-4)


def test_a_score_that_is_always_the_same_has_half_the_area() -> None:
    actual = np.arange(100) < 30
    statistic = auc(actual, np.full(100, 0.4))
    sums = np.asarray(statistic.terms.sum(axis=0), dtype=np.float64).ravel()
    assert statistic.of_sums(sums) == pytest.approx(0.5)


def test_an_outcome_that_never_occurs_has_no_area() -> None:
    assert Resampling([f"c{i}" for i in range(50)]).estimate(auc(np.zeros(50, bool), np.arange(50.0))).value is None


def test_bins_of_equal_mass_follow_the_score() -> None:
    assert equal_mass(np.array([0.9, 0.1, 0.5, 0.2]), 2).tolist() == [1, 0, 1, 0]
