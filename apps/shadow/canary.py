"""A canary: what was shown to be better answers more and more of the customers, and none as soon as it surely fails.

The ledger has its steps, so a killed run that is run again goes on; who decides upon another step is refused. Every
step is judged by its own traffic, since what goes wrong may come with the load.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from apps.shadow.live import Live, judge_live
from apps.shadow.rollout import name_of
from libs.base.rollout import CanaryRollout
from libs.features.lake import Lake
from libs.models.history import History, Roles
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.live_counts import read_live
from libs.models.role_request import Request


@dataclass(frozen=True)
class CanaryStep:
    """A step as it stands: the share of the customers, for how long, and how both versions' answers to theirs went.

    `number` of `steps`, from 1 on; a share that the config does not have any more belongs to the next.
    """

    share: float
    number: int
    hours: float
    rollout: CanaryRollout
    challenger: Live
    champion: Live

    @property
    def state(self) -> Literal["stopped", "done", "held", "running"]:
        """`held`: time and answers are there, and what is known is beyond a bound without being sure."""
        if self.stopped:
            return "stopped"
        if self.hours < self.rollout.hours or self._few:
            return "running"
        return "held" if self.challenger.beyond else "done"

    @property
    def stopped(self) -> str:
        """Why the challenger goes: it is surely beyond a bound, or in all its time was not shown to be fine."""
        if self.challenger.breach:
            return self.challenger.breach
        if self.hours < self.rollout.max_hours or not (self._few or self.challenger.beyond):
            return ""
        answers = f"only {self.challenger.answers:,} answers of at least {self.rollout.min_answers:,}"
        return f"after {self.hours:.1f} h {answers if self._few else 'still beyond a bound, not surely so'}"

    @property
    def _few(self) -> bool:
        return self.challenger.answers < self.rollout.min_answers

    @property
    def next_share(self) -> float | None:
        """That of the next step; None after the last."""
        return next((share for share in self.rollout.steps if share > self.share), None)

    def evidence(self) -> dict[str, Any]:
        return {
            "canary_share": self.share,
            "hours": self.hours,
            "challenger": self.challenger.evidence(),
            "champion": self.champion.evidence(),
        }

    def told(self) -> str:
        """In a line."""
        rollout, figures = self.rollout, f"{self.challenger.told()}; {self.champion.told()}"
        step = f"canary step {self.number} of {len(rollout.steps)}: {name_of(self.share)} of the customers"
        for_long = f"for {self.hours:.1f} of {rollout.hours:g} h, {self.challenger.answers:,} answers"
        held = ", held at this step: beyond a bound, not surely so" if self.state == "held" else ""
        return f"{step} {for_long} of at least {rollout.min_answers:,}{held} ({figures})"


def canary_of(lifecycle: Lifecycle, market: str) -> CanaryStep | None:
    """The market's canary as it stands; None where there is none, or the policy is another by now."""
    rollout, history = lifecycle.environment.market(market).shadow.rollout, lifecycle.history(market)
    step = history.canary
    if step is None or not isinstance(rollout, CanaryRollout):
        return None
    return _as_it_stands(Lake.open(lifecycle.environment.lake), market, rollout, history, step)


def _as_it_stands(lake: Lake, market: str, rollout: CanaryRollout, history: History, step: Entry) -> CanaryStep:
    share, since = step.canary_share, datetime.fromisoformat(step.at)
    assert share is not None and step.previous is not None
    challenger, champion = (
        judge_live(read_live(lake, market, version, since), version, rollout, len(rollout.steps))
        for version in (step.version, step.previous)
    )
    number = 1 + sum(one < share for one in rollout.steps)
    hours = (datetime.now(UTC) - since).total_seconds() / 3600
    return CanaryStep(share, min(number, len(rollout.steps)), hours, rollout, challenger, champion)


def begin(lifecycle: Lifecycle, market: str, rollout: CanaryRollout, evidence: dict[str, Any], judged: Roles) -> None:
    """Have the challenger answer the first share of the customers; raises as `Lifecycle.change`."""
    share = rollout.steps[0]
    _step(lifecycle, market, f"shown to be better: {name_of(share)} of the customers", evidence, judged, share)


def go_on(lifecycle: Lifecycle, market: str, shown: dict[str, Any], judged: Roles) -> CanaryStep | None:
    """Do what the market's canary is ready for, and give what it was decided upon; `shown` goes to the ledger with it.

    Raises: as `Lifecycle.change`.
    """
    step = stop_if_due(lifecycle, market)
    if step is None or step.state != "done":
        return step
    if (share := step.next_share) is not None:
        reason = f"nothing beyond its bounds at {name_of(step.share)}: {name_of(share)} of the customers"
        _step(lifecycle, market, reason, step.evidence(), judged, share)
    else:
        reason = f"better in its window, and nothing beyond its bounds at {name_of(step.share)} of the customers"
        evidence = shown | {"canary": step.evidence()}
        lifecycle.change(Request("promote", (market,), None, reason, evidence, judged))
    return step


def stop_if_due(lifecycle: Lifecycle, market: str) -> CanaryStep | None:
    """Take the challenger away if its step is stopped: the one place that stops a canary.

    Raises: as `Lifecycle.change`.
    """
    judged, step = lifecycle.history(market).roles, canary_of(lifecycle, market)
    if step is not None and step.stopped:
        reason = f"canary stopped at {name_of(step.share)}: {step.stopped}"
        lifecycle.change(Request("reject", (market,), None, reason, {"canary": step.evidence()}, judged))
    return step


def _step(
    lifecycle: Lifecycle, market: str, reason: str, evidence: dict[str, Any], judged: Roles, share: float
) -> None:
    lifecycle.change(Request("canary", (market,), None, reason, evidence, judged, share))
