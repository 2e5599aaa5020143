"""Go back when a promoted version fails or is slow in live traffic, for the first hours after its promotion.

Killed anywhere, the same command run again finishes: a rollback from this version is made once.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from apps.shadow.confidence import Interval, track_mean, track_share
from apps.shadow.rollout import pinned_to
from apps.shadow.streams import Stream
from apps.shadow.verdict import plain
from libs.base.market import Market
from libs.base.rollout import Guard
from libs.features.lake import Lake
from libs.models.history import History, Promotion
from libs.models.lifecycle import Lifecycle
from libs.models.live_counts import read_live, remove_before
from libs.models.protocol import Request


@dataclass(frozen=True)
class Live:
    """How a version's live answers went: the mean over spans of ten seconds; `breach` says what is surely beyond."""

    version: str
    failed: Interval
    seconds: Interval
    breach: str

    def evidence(self) -> dict[str, Any]:
        return {name: plain(value) for name, value in asdict(self).items()}

    def told(self) -> str:
        ms = 1000 * self.seconds.mean
        return f"v{self.version}: {self.failed.mean:.2%} failed, {ms:.1f} ms on average, in {self.failed.n} spans"


def guarded(market: Market, history: History, now: datetime) -> Promotion | None:
    """The promotion that is guarded now, if any: the last, while its version is champion and its hours last."""
    guard, promotions = market.shadow.guard, history.promotions()
    if guard is None or not promotions or promotions[-1].version != history.roles.champion:
        return None
    last = promotions[-1]
    if last.version == pinned_to(market.shadow.rollout) or now > last.at + timedelta(hours=guard.hours):
        return None
    return last


def watch(lifecycle: Lifecycle, market: str) -> Live | None:
    """Look at the promoted version, and roll it back if it is surely beyond a bound; None where none is guarded.

    Raises:
        DataError: the roles have changed meanwhile.
        TransientError: a store is away.
    """
    config, history, now = lifecycle.environment.market(market), lifecycle.history(market), datetime.now(UTC)
    guard, promotion = config.shadow.guard, guarded(config, history, now)
    lake = Lake.open(lifecycle.environment.lake)
    if guard is not None:
        remove_before(lake, market, now - timedelta(hours=guard.hours))
    if not history.settled:
        lifecycle.publish()
    if guard is None or promotion is None:
        return None
    live = judge_live(read_live(lake, market, promotion.version, promotion.at), promotion.version, guard)
    if live.breach:
        reason = f"live breach: {live.breach}"
        lifecycle.change(Request("rollback", (market,), promotion.version, reason, live.evidence()))
    return live


def judge_live(spans: pl.DataFrame, version: str, guard: Guard) -> Live:
    """Judge a version's spans, each of which counts as one whatever its traffic; `alpha` is halved for the two."""
    at = spans["at"].to_numpy() / 3600
    unit, looks = pl.Series(np.arange(len(spans))), np.array([at.max(initial=0.0)])
    alpha, most_s = guard.alpha / 2, guard.max_mean_ms / 1000
    failed = track_share(
        Stream.of(spans["failed"] / spans["requests"], unit, at), looks, alpha, guard.max_error_share
    ).at(0)
    seconds = track_mean(Stream.of(spans["seconds"] / spans["requests"], unit, at), looks, alpha).at(0)
    found = []
    if failed.lower > guard.max_error_share:
        found.append(f"{failed.mean:.2%} of the requests failed, surely over {guard.max_error_share:.2%}")
    if seconds.lower > most_s:
        found.append(f"{1000 * seconds.mean:.1f} ms on average, surely over {guard.max_mean_ms:g} ms")
    return Live(version, failed, seconds, "; ".join(found))
