"""A canary goes on when its time and its answers are there, and ends as soon as it is surely beyond a bound."""

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from apps.shadow.canary import CanaryStep
from apps.shadow.live import judge_live
from libs.base.environment import Environment
from libs.base.market import Market, ShadowWindow
from libs.base.rollout import CanaryRollout
from libs.models.live_counts import SCHEMA
from tests.unit.apps.shadow.test_guard import spans

ROLLOUT = CanaryRollout(
    policy="canary", steps=(0.05, 0.25, 0.5), hours=2, max_hours=48, min_answers=1000, max_mean_ms=50
)


def step(found: pl.DataFrame, hours: float = 3.0, share: float = 0.05) -> CanaryStep:
    champion = judge_live(spans(10), "1", ROLLOUT, 3)
    return CanaryStep(share, 1, hours, ROLLOUT, judge_live(found, "2", ROLLOUT, 3), champion)


@pytest.mark.parametrize(
    ("found", "hours", "state"),
    [
        (spans(1000), 3.0, "done"),
        (spans(1000), 1.9, "running"),
        (spans(4), 3.0, "running"),
        (spans(0), 3.0, "running"),
        (spans(8, failed=3), 3.0, "held"),
        (spans(40, ms=500.0), 3.0, "held"),
        (spans(9, failed=200), 0.1, "stopped"),
        (spans(200, ms=80.0), 0.1, "stopped"),
        # What is not done in its time is never done, but nothing is late that is done when it is looked at.
        (spans(8, failed=3), 48.0, "stopped"),
        (spans(4), 48.0, "stopped"),
        (spans(1000), 500.0, "done"),
    ],
)
def test_a_step_is_over_when_time_and_answers_are_there_and_nothing_is_beyond_a_bound(
    found: pl.DataFrame, hours: float, state: str
) -> None:
    assert step(found, hours).state == state


def test_what_makes_a_canary_go_is_the_same_that_makes_a_promoted_version_go_with_alpha_shared_by_its_steps() -> None:
    outage = spans(8, failed=200)
    assert judge_live(outage, "2", ROLLOUT).breach
    alone, shared = (judge_live(outage, "2", ROLLOUT, steps).failed.lower for steps in (1, 3))
    assert shared < alone


def test_after_each_step_comes_a_larger_share_and_after_the_last_all_customers() -> None:
    assert [step(spans(0), share=share).next_share for share in (0.05, 0.1, 0.25, 0.5)] == [0.25, 0.25, 0.5, None]


def test_a_step_tells_how_far_it_is_and_how_both_versions_do() -> None:
    told = step(spans(1000, failed=1)).told()
    assert told.startswith("canary step 1 of 3: 5 % of the customers for 3.0 of 2 h, 200,000 answers of at least 1,000")
    assert "v2: 0.50% failed" in told and "v1: 0.00% failed" in told
    assert "held at this step" in step(spans(8, failed=3)).told()
    assert "v2: no answers yet" in step(pl.DataFrame(schema=SCHEMA)).told()


def test_why_a_step_was_stopped_is_said_whether_it_was_surely_bad_or_never_surely_good() -> None:
    assert "surely over 1.00%" in step(spans(9, failed=200)).stopped
    held, few = (step(found, 48.0).stopped for found in (spans(8, failed=3), spans(4)))
    assert held == "after 48.0 h still beyond a bound, not surely so"
    assert few == "after 48.0 h only 800 answers of at least 1,000"
    assert [step(found, 47.9).stopped for found in (spans(8, failed=3), spans(4))] == ["", ""]


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": []},
        {"steps": [0.2, 0.2]},
        {"steps": [0.5, 0.2]},
        {"steps": [0.5, 1.0]},
        {"max_mean_ms": None},
        {"hours": 73},
    ],
)
def test_the_steps_rise_and_what_stops_them_is_said(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="rollout"):
        ShadowWindow.model_validate({"rollout": {"policy": "canary", "max_mean_ms": 50} | settings})


def test_the_champion_has_time_left_to_answer_in() -> None:
    def environment(timeout_s: float) -> Environment:
        rollout = ROLLOUT.model_copy(update={"timeout_s": timeout_s})
        return Environment(name="e", markets={"de": Market(name="de", shadow=ShadowWindow(rollout=rollout))})

    assert environment(2.5).markets
    with pytest.raises(ValidationError, match=r"half of serving\.gateway\.timeout_s"):
        environment(2.6)
