"""The threshold of an answer: as low as the wanted precision allows, and never a promise that was not measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from libs.base.market import Recommendation
from libs.models.abstention import Abstention, choose_threshold, lower_bound
from libs.models.training import Fitted, fit_market
from tests.unit.libs.models.conftest import MARKET

RNG = np.random.default_rng(4)
CONFIDENCE = RNG.random(20_000)
# Calibrated by construction: a purchase of the named size is kept as often as it was said to be.
KEPT = RNG.random(20_000) < CONFIDENCE
NAMED = RNG.random(20_000) < 0.6


def choose(wanted: float | None, floor: float = 0.1) -> Abstention:
    return choose_threshold(CONFIDENCE, NAMED, KEPT, floor, wanted)


def test_of_calibrated_confidences_the_threshold_for_a_precision_is_where_it_must_be() -> None:
    chosen = choose(0.8)
    assert chosen.reached
    # Above c, calibrated confidences spread evenly up to 1 have a precision of (1 + c) / 2.
    assert chosen.threshold == pytest.approx(0.6, abs=0.05)
    assert chosen.point is not None and chosen.point.precision is not None
    assert chosen.point.precision >= 0.8
    assert chosen.point.coverage == pytest.approx(1 - chosen.threshold, abs=0.02)


def test_the_promise_is_the_lower_bound_and_not_the_measured_share() -> None:
    point = choose(0.8).point
    assert point is not None and point.precision is not None and point.precision_low is not None
    assert 0.8 <= point.precision_low < point.precision


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.9))
@settings(max_examples=40, deadline=None)
def test_who_wants_more_never_gets_a_lower_threshold_nor_one_below_the_floor(a: float, b: float, floor: float) -> None:
    less, more = sorted((a, b))
    low, high = choose(less, floor), choose(more, floor)
    assert low.threshold >= floor
    if high.reached:
        assert low.reached and low.threshold <= high.threshold


def test_a_precision_that_is_out_of_reach_leaves_the_floor_and_says_so() -> None:
    chosen = choose_threshold(CONFIDENCE, NAMED, np.zeros(20_000, dtype=bool), 0.2, 0.9)
    assert (chosen.threshold, chosen.reached) == (0.2, False)


def test_too_few_purchases_promise_nothing() -> None:
    chosen = choose_threshold(CONFIDENCE[:80], NAMED[:80], np.ones(80, dtype=bool), 0.2, 0.5)
    assert (chosen.threshold, chosen.reached) == (0.2, False)
    assert {point.precision for point in chosen.curve} == {None}


def test_without_a_wanted_precision_the_floor_is_the_threshold_and_the_curve_is_there_all_the_same() -> None:
    chosen = choose(None, 0.35)
    assert chosen.threshold == 0.35
    assert len(chosen.curve) > 30


def test_the_lower_bound_is_wilsons() -> None:
    two_sided = binomtest(90, 100).proportion_ci(0.90, method="wilson")
    assert lower_bound(90, 100) == pytest.approx(two_sided.low)


def test_a_version_carries_the_threshold_its_market_wants(
    fitted: Fitted, training_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert fitted.package.card.abstention.threshold == MARKET.recommendation.min_confidence
    wants_all = MARKET.model_copy(update={"recommendation": Recommendation(wanted_precision=1.0)})
    unreached = fit_market(wants_all, str(training_path), None).package.card.abstention
    assert not unreached.reached
    assert "no threshold reaches a precision of 1.0" in caplog.text
