"""Confidence sequences: they hold however often one looks."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.shadow.confidence import FEWEST, Track, track_mean, track_share
from apps.shadow.streams import Stream
from libs.features.arrays import Flags, Floats, Indices


def stream(values: Floats | Flags, customers: Indices | None = None) -> Stream:
    """One value an hour."""
    owners = np.arange(len(values)) if customers is None else customers
    return Stream.of(values, pl.Series(owners), np.arange(len(values), dtype=np.float64))


def at_end(values: Floats, customers: Indices | None = None, alpha: float = 0.05) -> Track:
    return track_mean(stream(values, customers), np.array([len(values)], dtype=np.float64), alpha)


def width(track: Track) -> float:
    return float(track.upper[0] - track.lower[0])


def test_looking_all_the_time_errs_no_more_often_than_promised() -> None:
    """A/A: the mean is 0, and someone looks every 50 hours; at most 5 % of the windows may ever exclude 0."""
    rng, looks = np.random.default_rng(0), np.arange(50.0, 2_000, 50)
    tracks = [track_mean(stream(rng.normal(0, 1, 2_000)), looks, 0.05) for _ in range(400)]
    assert np.mean([np.any((one.lower > 0) | (one.upper < 0)) for one in tracks]) <= 0.05


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_looking_at_a_share_all_the_time_errs_no_more_often_than_promised(rate: float) -> None:
    """Customers ask up to five times, and some fail more often than others."""
    rng, looks, wrong, windows = np.random.default_rng(1), np.arange(20.0, 1_500, 40), 0, 150
    for _ in range(windows):
        owners = rng.integers(0, 500, 1_500)
        proneness = rng.beta(rate, 1 - rate, 500)
        found = track_share(stream(rng.random(1_500) < proneness[owners], owners), looks, 0.05, 0.01)
        wrong += bool(np.any((found.lower > rate) | (found.upper < rate)))
    assert wrong / windows <= 0.05


def test_it_narrows_as_observations_come() -> None:
    values = np.random.default_rng(0).normal(1, 1, 10_000)
    few, many = at_end(values[:100]), at_end(values)
    assert width(many) < width(few) / 5
    assert many.lower[0] > 0.9


@pytest.mark.parametrize("n", [0, 1, FEWEST - 1])
def test_few_customers_claim_nothing_of_a_mean(n: int) -> None:
    found = at_end(np.arange(n, dtype=np.float64))
    assert (found.lower[0], found.upper[0]) == (-math.inf, math.inf)


def test_values_without_spread_claim_nothing_of_a_mean() -> None:
    assert width(at_end(np.full(1_000, 0.1))) == math.inf


def test_no_failure_of_few_customers_is_no_certainty() -> None:
    looks = np.array([-1.0, 9.0, 99.0, 9_999.0])
    found = track_share(stream(np.zeros(10_000)), looks, 0.05, 0.01)
    assert (found.lower == 0).all()
    assert found.upper[0] == 1
    assert found.upper[1] > 0.05
    assert (np.diff(found.upper) < 0).all()
    assert found.upper[-1] < 0.002


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10)), min_size=1, max_size=40))
def test_a_track_is_what_its_rows_say_at_each_look(rows: list[tuple[int, float]]) -> None:
    """All looks in one pass are the same as one pass for each look; the mean is of all values."""
    owners, values = (np.array(column) for column in zip(*rows, strict=True))
    looks = np.arange(len(rows), dtype=np.float64)
    found = track_mean(stream(values, owners), looks, 0.05)
    for look in range(len(rows)):
        seen, whose = values[: look + 1], owners[: look + 1]
        assert found.mean[look] == pytest.approx(seen.mean(), abs=1e-9)
        assert found.n[look] == len(set(whose.tolist()))
        if found.n[look] > 1:
            sums = np.array([(seen[whose == one] - seen.mean()).sum() for one in set(whose.tolist())])
            parts = sums * found.n[look] / len(seen)
            assert found.deviation[look] == pytest.approx(parts.std(ddof=1), abs=1e-6)


def test_values_that_repeat_within_a_customer_do_not_count_twice() -> None:
    one_each = np.random.default_rng(0).normal(0, 1, 500)
    ten_each, owner = np.repeat(one_each, 10), np.repeat(np.arange(500), 10)
    assert width(at_end(ten_each, owner)) == pytest.approx(width(at_end(one_each)))
