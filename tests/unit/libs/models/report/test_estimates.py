"""Intervals come from customers, not from lines."""

import numpy as np
import pytest

from libs.models.report.measures import mean, ratio
from libs.models.report.resampling import Estimate, Resampling, difference

RNG = np.random.default_rng(1)
VALUES = RNG.normal(0.0, 1.0, 2_000)
CUSTOMERS = [f"c{index}" for index in range(2_000)]


def width(estimate: Estimate) -> float:
    assert estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low


def test_the_interval_of_a_mean_of_independent_customers_is_the_textbook_one() -> None:
    found = Resampling(CUSTOMERS).estimate(mean(VALUES))
    assert found.value == pytest.approx(VALUES.mean())
    assert width(found) == pytest.approx(2 * 1.96 / np.sqrt(2_000), rel=0.15)


def test_ten_equal_lines_of_a_customer_tell_no_more_than_one() -> None:
    once = Resampling(CUSTOMERS).estimate(mean(VALUES))
    tenfold = Resampling(np.repeat(CUSTOMERS, 10)).estimate(mean(np.repeat(VALUES, 10)))
    assert width(tenfold) == pytest.approx(width(once))


def test_customers_beyond_the_number_of_groups_still_narrow_the_interval() -> None:
    values = RNG.normal(0.0, 1.0, 20_000)
    found = Resampling([f"c{index}" for index in range(20_000)]).estimate(mean(values))
    assert width(found) == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.15)


def test_a_difference_is_paired_so_what_both_share_drops_out() -> None:
    gap = Resampling(CUSTOMERS).estimate(difference(mean(VALUES + 0.1), mean(VALUES)))
    assert gap.value == pytest.approx(0.1)
    assert width(gap) == pytest.approx(0.0, abs=1e-6)
    assert gap.excludes_zero


def test_an_interval_that_reaches_across_zero_does_not_exclude_it() -> None:
    noise = RNG.normal(0.0, 1.0, 2_000)
    assert not Resampling(CUSTOMERS).estimate(mean(noise - noise.mean())).excludes_zero


def test_a_handful_of_customers_has_a_value_and_no_interval() -> None:
    found = Resampling(["a", "b"] * 500).estimate(mean(VALUES[:1_000]))
    assert found.value == pytest.approx(VALUES[:1_000].mean())
    assert (found.low, found.high) == (None, None)


def test_a_part_is_measured_with_the_customers_it_has() -> None:
    rows = np.arange(2_000) < 500
    resampling = Resampling(CUSTOMERS)
    assert resampling.customers(rows) == 500
    part = resampling.estimate(mean(VALUES[rows]), rows)
    assert part.value == pytest.approx(VALUES[:500].mean())
    assert width(part) == pytest.approx(2 * width(resampling.estimate(mean(VALUES))), rel=0.2)


def test_the_interval_of_a_share_stays_a_share() -> None:
    rare = np.zeros(2_000)
    rare[:2] = 1.0
    found = Resampling(CUSTOMERS).estimate(mean(rare))
    assert found.low is not None and found.low >= 0.0


def test_what_is_measured_on_no_line_is_not_measurable() -> None:
    nothing = np.zeros((2_000, 1))
    assert Resampling(CUSTOMERS).estimate(ratio(nothing, nothing)) == Estimate(None)


def test_the_same_lines_have_the_same_interval_each_time() -> None:
    assert Resampling(CUSTOMERS).estimate(mean(VALUES)) == Resampling(CUSTOMERS).estimate(mean(VALUES))
