"""Confidence sequences: they hold however often one looks."""

import math

import numpy as np
import pytest

from apps.shadow.confidence import confidence_sequence, per_cluster


def test_looking_all_the_time_errs_no_more_often_than_promised() -> None:
    """A/A: the mean is 0, and someone looks after every ten observations, 100 times; at most 5 % may ever exclude 0."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        values = rng.normal(0, 1, 2_000)
        looks = (confidence_sequence(values[:n], 0.05) for n in range(50, 2_001, 50))
        wrong += any(look.lower > 0 or look.upper < 0 for look in looks)
    assert wrong / 400 <= 0.05


def test_it_narrows_as_observations_come() -> None:
    values = np.random.default_rng(0).normal(1, 1, 10_000)
    few, many = (confidence_sequence(values[:n], 0.05) for n in (100, 10_000))
    assert many.upper - many.lower < (few.upper - few.lower) / 5
    assert many.lower > 0.9


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_is_claimed_from_nothing(n: int) -> None:
    found = confidence_sequence(np.ones(n), 0.05)
    assert (found.lower, found.upper) == (-math.inf, math.inf)


def test_clusters_keep_the_mean_of_all_values() -> None:
    values, clusters = np.array([1.0, 2.0, 3.0, 10.0]), np.array([0, 0, 0, 1])
    assert per_cluster(values, clusters).mean() == pytest.approx(values.mean())


def test_values_that_repeat_within_a_customer_do_not_count_twice() -> None:
    rng = np.random.default_rng(0)
    one_each = rng.normal(0, 1, 500)
    ten_each, owner = np.repeat(one_each, 10), np.repeat(np.arange(500), 10)
    honest = confidence_sequence(per_cluster(ten_each, owner), 0.05)
    single = confidence_sequence(one_each, 0.05)
    assert honest.upper - honest.lower == pytest.approx(single.upper - single.lower)
