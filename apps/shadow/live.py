"""Judge how a version's live answers went: is it surely beyond what its market allows."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from apps.shadow.confidence import Interval, track_mean, track_share
from apps.shadow.streams import Stream
from apps.shadow.verdict import plain
from libs.base.market import Market
from libs.base.rollout import Bounds
from libs.features.lake import Lake
from libs.models.history import History
from libs.models.live_counts import remove_before


@dataclass(frozen=True)
class Live:
    """How a version's live answers went: the mean over spans of ten seconds; `breach` says what is surely beyond, and
    `beyond` whether anything is beyond as far as is known.
    """

    version: str
    answers: int
    failed: Interval
    seconds: Interval
    breach: str
    beyond: bool

    def evidence(self) -> dict[str, Any]:
        return {name: plain(value) for name, value in asdict(self).items()}

    def told(self) -> str:
        if not self.answers:
            return f"v{self.version}: no answers yet"
        ms = 1000 * self.seconds.mean
        return f"v{self.version}: {self.failed.mean:.2%} failed, {ms:.1f} ms on average, in {self.failed.n} spans"


def judge_live(spans: pl.DataFrame, version: str, bounds: Bounds, looks_shared_by: int = 1) -> Live:
    """Judge a version's spans, each of which counts as one whatever its traffic.

    `alpha` is halved for the two bounds, and shared out over so many times that a version is judged anew.
    """
    at = spans["at"].to_numpy() / 3600
    unit, looks = pl.Series(np.arange(len(spans))), np.array([at.max(initial=0.0)])
    alpha, most_s = bounds.alpha / 2 / looks_shared_by, bounds.max_mean_ms / 1000
    failed = track_share(
        Stream.of(spans["failed"] / spans["requests"], unit, at), looks, alpha, bounds.max_error_share
    ).at(0)
    seconds = track_mean(Stream.of(spans["seconds"] / spans["requests"], unit, at), looks, alpha).at(0)
    found = []
    if failed.lower > bounds.max_error_share:
        found.append(f"{failed.mean:.2%} of the requests failed, surely over {bounds.max_error_share:.2%}")
    if seconds.lower > most_s:
        found.append(f"{1000 * seconds.mean:.1f} ms on average, surely over {bounds.max_mean_ms:g} ms")
    beyond = failed.mean > bounds.max_error_share or seconds.mean > most_s
    return Live(version, int(spans["requests"].sum()), failed, seconds, "; ".join(found), beyond)


def forget_counts(lake: Lake, market: Market, history: History, now: datetime) -> None:
    """Remove the counts that neither the guard nor a canary's step looks at any more."""
    guard, step = market.shadow.guard, history.canary
    needed = now - timedelta(hours=guard.hours if guard else 0.0)
    if step is not None:
        needed = min(needed, datetime.fromisoformat(step.at))
    remove_before(lake, market.name, needed)
