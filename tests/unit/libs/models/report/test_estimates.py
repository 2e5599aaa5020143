"""A value has an interval where there is enough to tell, and stays what it is."""

import numpy as np
import pytest

from libs.models import weighted
from libs.models.bootstrap import Statistic, interval, replicates
from libs.models.report.estimates import TO_LOOK_AT, Estimate, estimates, means

RNG = np.random.default_rng(1)
VALUES = RNG.normal(0.0, 1.0, 400)
CUSTOMERS = np.arange(400)


def one(statistic: Statistic, customers: np.ndarray = CUSTOMERS) -> Estimate:
    [[found]] = estimates(customers, [statistic], 0.95)
    return found


def test_a_number_has_the_interval_that_the_standards_judge_it_by() -> None:
    statistic = weighted.mean(VALUES)
    judged = interval(float(VALUES.mean()), replicates(CUSTOMERS, {"": statistic})[""], 0.95)
    found = one(statistic)
    assert judged is not None
    assert (found.low, found.high) == pytest.approx((judged.low, judged.high), abs=1e-6)


def test_groups_measured_together_are_as_each_measured_alone() -> None:
    over, groups = RNG.random(400) < 0.5, RNG.random((3, 400)) < 0.4
    [together] = estimates(CUSTOMERS, [means(VALUES, groups, over)], 0.95)
    for found, rows in zip(together, groups, strict=True):
        alone = one(weighted.mean(VALUES, rows & over))
        assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high), abs=1e-5)


def test_an_interval_excludes_zero_only_where_it_does_not_reach_it() -> None:
    centred = VALUES - VALUES.mean()
    assert not one(weighted.mean(centred)).excludes_zero
    assert one(weighted.mean(centred + 0.5)).excludes_zero
    assert one(weighted.mean(centred - 0.5)).excludes_zero
    assert not Estimate(0.5).excludes_zero


def test_a_handful_of_customers_has_a_value_and_no_interval() -> None:
    found = one(weighted.mean(VALUES), np.arange(400) % 2)
    assert found.value == pytest.approx(VALUES.mean(), abs=1e-6)
    assert (found.low, found.high) == (None, None)


def test_the_interval_of_a_share_stays_a_share_and_that_of_a_difference_may_be_below_zero() -> None:
    rare = np.arange(400) < 2
    few, nearly_all = one(weighted.mean(rare)), one(weighted.mean(~rare))
    assert few.low is not None and few.low >= 0.0
    assert nearly_all.high is not None and nearly_all.high <= 1.0
    less = one(weighted.less(weighted.mean(VALUES - 3.0), weighted.mean(VALUES)))
    assert (less.low, less.high) == pytest.approx((-3.0, -3.0), abs=1e-4)


def test_what_is_measured_on_no_line_is_not_measurable() -> None:
    assert one(means(VALUES, np.zeros((1, 400), dtype=np.bool_))) == Estimate(None)


def test_what_is_only_looked_at_needs_fewer_replicates_and_ends_about_where_more_would() -> None:
    statistic = weighted.mean(VALUES)
    assert len(replicates(CUSTOMERS, {"": statistic}, TO_LOOK_AT)[""]) == TO_LOOK_AT
    [[looked_at]] = estimates(CUSTOMERS, [statistic], 0.95, TO_LOOK_AT)
    judged = one(statistic)
    assert (looked_at.low, looked_at.high) == pytest.approx((judged.low, judged.high), abs=0.02)
