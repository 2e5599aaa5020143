"""The bootstrap over customers: what it must cover, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.models import weighted
from libs.models.bootstrap import Interval, interval, replicates


def mean_interval(values: np.ndarray, customers: np.ndarray, confidence: float = 0.95) -> Interval:
    drawn = replicates(customers, {"mean": weighted.mean(values)})["mean"]
    found = interval(float(values.mean()), drawn, confidence)
    assert found is not None
    return found


def test_the_interval_of_a_mean_is_as_long_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 4_000)
    found = mean_interval(values, np.arange(4_000))
    error = values.std() / np.sqrt(4_000)
    # A thousand replicates put an end within a quarter of a standard error.
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_it_covers_the_truth_as_often_as_it_says_where_lines_of_a_customer_are_alike() -> None:
    rng = np.random.default_rng(1)
    covered = alone = 0
    for _ in range(100):
        customers = np.repeat(np.arange(60), rng.integers(1, 8, 60))
        values = rng.normal(0, 1, 60)[customers] + rng.normal(0, 0.3, len(customers))
        covered += mean_interval(values, customers).reaches(0.0)
        alone += mean_interval(values, np.arange(len(customers))).reaches(0.0)
    # 95 % of 100, within what 100 tries and 60 customers leave to chance; with lines for customers it is far less.
    assert covered >= 88
    assert alone <= 80


@settings(deadline=None, max_examples=10)
@given(st.integers(2, 5))
def test_the_same_lines_over_again_tell_nothing_new(times: int) -> None:
    values = np.random.default_rng(2).normal(0, 1, 200)
    once = mean_interval(values, np.arange(200))
    again = mean_interval(np.repeat(values, times), np.repeat(np.arange(200), times))
    assert (again.low, again.high) == pytest.approx((once.low, once.high), abs=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(random: object) -> None:
    rng = np.random.default_rng(3)
    customers, values = rng.integers(0, 80, 300).astype(str), rng.normal(0, 1, 300)
    order = rng.permutation(300)
    first, second = mean_interval(values, customers), mean_interval(values[order], customers[order])
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-5)


def test_more_confidence_is_a_longer_interval() -> None:
    values = np.random.default_rng(4).normal(0, 1, 500)
    narrow, wide = (mean_interval(values, np.arange(500), confidence) for confidence in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_difference_is_paired() -> None:
    """Two models that find the same lines hard differ far less than each of them swings."""
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 1, 1_000)
    one, other = weighted.mean(hard + 0.1), weighted.mean(hard + rng.normal(0, 0.01, 1_000))
    drawn = replicates(np.arange(1_000), {"alone": one, "less": weighted.less(one, other)})
    assert drawn["less"].std() < 0.02 * drawn["alone"].std()


def test_an_interval_is_about_the_value_also_where_resampling_makes_a_measure_grow() -> None:
    rng = np.random.default_rng(6)
    predicted = rng.dirichlet([3, 8, 3], 800)
    outcomes = (rng.random(800)[:, None] > predicted.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    statistic = weighted.calibration_error(predicted, outcomes)
    value = float(statistic(np.ones((800, 1), dtype=np.float32))[0])
    drawn = replicates(np.arange(800), {"error": statistic})["error"]
    assert np.quantile(drawn, 0.025) > value
    found = interval(value, drawn, 0.95, least=0.0)
    assert found is not None
    assert 0 <= found.low < value < found.high


def test_a_handful_of_customers_or_a_measure_that_often_is_missing_has_no_interval() -> None:
    assert len(replicates(np.arange(19), {"mean": weighted.mean(np.ones(19))})["mean"]) == 0
    assert interval(1.0, np.empty(0), 0.95) is None
    assert interval(None, np.ones(100), 0.95) is None
    assert interval(1.0, np.array([1.0] * 90 + [np.nan] * 10), 0.95) is None


def test_many_lines_get_fewer_replicates_and_few_lines_a_thousand() -> None:
    def count(lines: int) -> int:
        return len(replicates(np.arange(lines) % 30, {"mean": weighted.mean(np.ones(lines))})["mean"])

    assert count(100) == 1_000
    assert count(40_000) == 500
    assert count(200_000) == 200
