"""Confirm or demote a promoted version by what came of the purchases in its window.

Both versions are asked again about every line, as it stood before its order, for the size that was bought; the
difference of their log losses on it is the measure. Everybody was shown the old champion's size, so which lines there
are, and in which sizes, is partly its doing. Where both named the same size this is no difference between them. So a
version is demoted only if it is surely worse twice: over all lines, by more than the margin, and on the lines where
both named the same size. Each must be so, hence neither takes a part of the other's `alpha` (Berger, "Multiparameter
hypothesis testing and acceptance sampling", Technometrics 24(4), 1982).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import polars as pl

from apps.shadow.confidence import Interval, track_mean
from apps.shadow.streams import Stream, hours_of
from apps.shadow.verdict import plain
from libs.base.market import ShadowWindow

ALL, SAME_SIZE = "all", "same_size"
EXPOSURES = (ALL, SAME_SIZE, "not_followed", "led")

Decision = Literal["confirm", "demote", "wait", "untold"]


@dataclass(frozen=True)
class Purchases:
    """How far a window's lines have come: bought after a request, of them mature, of them with an outcome and scored;
    all are known at `complete_at`, and `complete` says whether that has passed.
    """

    bought: int
    mature: int
    scored: int
    complete_at: datetime
    complete: bool


@dataclass(frozen=True)
class Difference:
    """Log loss of the promoted version less that of the one before, over so many lines; more is worse."""

    lines: int
    loss: Interval


@dataclass(frozen=True)
class SecondVerdict:
    """The decision, and what it rests on: the differences by `EXPOSURES`, where there are lines.

    `untold`: all that will be known is known, and it shows neither. The promoted version stays.
    """

    decision: Decision
    reason: str
    purchases: Purchases
    differences: Mapping[str, Difference]

    def evidence(self) -> dict[str, Any]:
        """All of it as plain values, for the ledger and the registry."""
        values = asdict(self) | {"purchases": asdict(self.purchases) | {"complete_at": str(self.purchases.complete_at)}}
        return {name: plain(value) for name, value in values.items()}


def differences(scored: pl.DataFrame, alpha: float) -> dict[str, Difference]:
    """Compare two versions on lines (n) with their `customer`, `matured_at`, exposure, `previous` and `promoted` loss.

    Lines count in the order in which they matured, so that these intervals hold at every review together.
    """
    rows = {ALL: scored} | {name: scored.filter(name) for name in EXPOSURES if name != ALL}
    return {name: Difference(len(part), _interval(part, alpha)) for name, part in rows.items() if len(part)}


def _interval(part: pl.DataFrame, alpha: float) -> Interval:
    at = hours_of(part["matured_at"])
    stream = Stream.of(part["promoted"] - part["previous"], part["customer"], at)
    return track_mean(stream, np.array([at.max()]), alpha).at(0)


def decide(found: Purchases, by_exposure: Mapping[str, Difference], window: ShadowWindow) -> SecondVerdict:
    """Tell from what is mature so far whether the promoted version is worse than the one before."""
    decision, reason = _decide(found, by_exposure, window)
    return SecondVerdict(decision, reason, found, by_exposure)


def _decide(found: Purchases, by_exposure: Mapping[str, Difference], window: ShadowWindow) -> tuple[Decision, str]:
    policy = window.second_verdict
    if found.scored < policy.min_lines:
        return _not_yet(found, f"{found.scored} of the {policy.min_lines} lines that are needed")
    everywhere, same = by_exposure[ALL], by_exposure.get(SAME_SIZE)
    told = _told(everywhere, "over all lines")
    if everywhere.loss.upper <= policy.demotion_margin:
        return "confirm", f"{told}: surely not worse by more than {policy.demotion_margin:g}"
    if everywhere.loss.lower <= policy.demotion_margin:
        return _not_yet(found, f"{told}: not surely on one side of {policy.demotion_margin:g}")
    if same is not None and same.loss.lower > 0:
        return "demote", f"{told}; {_told(same, 'where both named the same size')}"
    beside = _told(same, "where both named the same size") if same else "no lines where both named the same size"
    return _not_yet(found, f"{told}; {beside}: it may be because the other's size was shown; decide by hand")


def _not_yet(found: Purchases, why: str) -> tuple[Decision, str]:
    if found.complete:
        return "untold", f"all returns of the window are known; {why}"
    return "wait", f"{found.mature} of {found.bought} lines are mature, all on {found.complete_at:%Y-%m-%d}; {why}"


def _told(one: Difference, where: str) -> str:
    loss = one.loss
    return (
        f"log loss {loss.mean:+.4f}, between {loss.lower:+.4f} and {loss.upper:+.4f}, {where} "
        f"({one.lines} lines of {loss.n} customers)"
    )
