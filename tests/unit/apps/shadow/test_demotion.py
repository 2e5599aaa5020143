"""A version that turned out worse is demoted by the policy only, in time, and while it is champion."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from apps.shadow.demotion import why_not
from apps.shadow.second_verdict import Purchases, SecondVerdict
from libs.base.market import Market, SecondVerdictPolicy, ShadowWindow
from libs.base.rollout import PinnedRollout, Rollout, ShadowRollout
from libs.models.history import Promotion, Roles

PROMOTION = Promotion("7", "6", "v7-day 1", datetime.now(UTC) - timedelta(days=40))


def reason(
    policy: Literal["act", "report"] = "act",
    champion: str = "7",
    complete_for: float = 1,
    rollout: Rollout = ShadowRollout(),  # noqa: B008
) -> str:
    at = datetime.now(UTC) - timedelta(days=complete_for)
    verdict = SecondVerdict("demote", "worse", Purchases(900, 900, 900, at, complete_for > 0), {})
    config = ShadowWindow(second_verdict=SecondVerdictPolicy(policy=policy, demotion_days=28), rollout=rollout)
    return why_not(Roles(champion, "8"), Market(name="de", shadow=config), PROMOTION, verdict)


def test_the_champion_is_demoted_as_soon_as_it_is_surely_worse() -> None:
    assert reason() == ""
    assert reason(complete_for=-5) == ""


def test_a_champion_that_came_since_is_left_alone() -> None:
    assert reason(champion="8") == "v8 is champion by now"


def test_a_policy_of_reports_changes_nothing() -> None:
    assert reason(policy="report") == "the policy is to report"


def test_a_version_that_a_person_has_pinned_stays() -> None:
    assert reason(rollout=PinnedRollout(policy="pinned", version=7)) == "the market is pinned to v7"
    assert reason(rollout=PinnedRollout(policy="pinned", version=6)) == ""


def test_after_its_time_a_person_decides() -> None:
    assert reason(complete_for=27.9) == ""
    assert reason(complete_for=28.1).startswith("only a person may after ")
