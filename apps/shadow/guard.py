"""Go back when a promoted version fails or is slow in live traffic, for the first hours after its promotion.

A canary is looked at with it, and stopped as `settle` stops it.

Killed anywhere, the same command run again finishes: a rollback from this version is made once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.shadow.canary import CanaryStep, stop_if_due
from apps.shadow.live import Live, forget_counts, judge_live
from apps.shadow.rollout import pinned_to
from libs.base.market import Market
from libs.features.lake import Lake
from libs.models.history import History, Promotion
from libs.models.lifecycle import Lifecycle
from libs.models.live_counts import read_live
from libs.models.role_request import Request


@dataclass(frozen=True)
class Watched:
    """What was looked at: the promoted version that is guarded, and the canary, where there is one."""

    promoted: Live | None = None
    canary: CanaryStep | None = None

    def told(self) -> list[str]:
        """What was seen and what followed, a line each."""
        found = []
        if self.canary is not None:
            stopped = self.canary.stopped
            found.append(self.canary.told() + (f"; stopped: {stopped}" if stopped else ""))
        if self.promoted is not None:
            breach = self.promoted.breach
            found.append(self.promoted.told() + (f"; rolled back: {breach}" if breach else ""))
        return found or ["nothing is guarded"]


def guarded(market: Market, history: History, now: datetime) -> Promotion | None:
    """The promotion that is guarded now, if any: the last, while its version is champion and its hours last."""
    guard, promotions = market.shadow.guard, history.promotions()
    if guard is None or not promotions or promotions[-1].version != history.roles.champion:
        return None
    last = promotions[-1]
    if last.version == pinned_to(market.shadow.rollout) or now > last.at + timedelta(hours=guard.hours):
        return None
    return last


def watch(lifecycle: Lifecycle, market: str) -> Watched:
    """Look at the promoted version and at a canary, and take back what is surely beyond a bound, or a canary late.

    Raises:
        DataError: the roles have changed meanwhile.
        TransientError: a store is away.
    """
    if not lifecycle.history(market).settled:
        lifecycle.publish()
    config, history, now = lifecycle.environment.market(market), lifecycle.history(market), datetime.now(UTC)
    lake = Lake.open(lifecycle.environment.lake)
    forget_counts(lake, config, history, now)
    canary = stop_if_due(lifecycle, market)
    guard, promotion = config.shadow.guard, guarded(config, history, now)
    if guard is None or promotion is None:
        return Watched(canary=canary)
    live = judge_live(read_live(lake, market, promotion.version, promotion.at), promotion.version, guard)
    if live.breach:
        reason = f"live breach: {live.breach}"
        lifecycle.change(Request("rollback", (market,), promotion.version, reason, live.evidence()))
    return Watched(live, canary)
