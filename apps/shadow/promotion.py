"""Judge a market's window, and change the champion: promote, reject, roll back, by `libs.models.protocol`.

What a rollout policy holds back is noted with its window in the registry, beside the version.

Killed anywhere, what answers is the old champion or the new one, whole; the same command run again finishes. The old
champion's package stays, so that a rollback is the same swap backwards.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from apps.shadow import canary
from apps.shadow.canary import CanaryStep
from apps.shadow.comparison import compare, read_losses
from apps.shadow.rollout import held_back, held_note, pin_note
from apps.shadow.verdict import Verdict, decide
from apps.shadow.window_metrics import tell
from libs.base.author import author
from libs.base.rollout import CanaryRollout, Rollout
from libs.features.lake import Lake
from libs.models.history import Roles
from libs.models.lifecycle import Lifecycle
from libs.models.pair_log import read_window
from libs.models.registry import Version
from libs.models.role_request import Request

_SHOWN_IN = "fitwave.shown_in"


@dataclass(frozen=True)
class Shadow:
    """One market's window as it stands."""

    market: str
    champion: Version
    challenger: Version
    window: str
    hours: float
    roles: Roles

    @property
    def shown(self) -> bool:
        """Whether the challenger has been shown to be better in this window, and is held back or in a canary since."""
        return self.roles.canary_share is not None or self.challenger.tags.get(_SHOWN_IN) == self.window


def shadow_of(lifecycle: Lifecycle, market: str) -> Shadow | None:
    """The market's open window, or None when nothing is shadowed."""
    lifecycle.environment.market(market)
    roles = lifecycle.history(market).roles
    if roles.champion is None or roles.challenger is None or roles.window is None:
        return None
    champion, challenger = (lifecycle.registry.version(market, one) for one in (roles.champion, roles.challenger))
    since = datetime.fromisoformat(roles.since) if roles.since else datetime.now(UTC)
    hours = (datetime.now(UTC) - since).total_seconds() / 3600
    return Shadow(market, champion, challenger, roles.window, hours, roles)


@dataclass(frozen=True)
class Judged:
    """A window's verdict, and the rows that it was made from."""

    verdict: Verdict
    pairs: pl.DataFrame
    losses: pl.DataFrame


def judge_window(lifecycle: Lifecycle, shadow: Shadow) -> Judged:
    """Compare champion and challenger on what the window has logged so far."""
    window = lifecycle.environment.market(shadow.market).shadow
    pairs, counts = read_window(Lake.open(lifecycle.environment.lake), shadow.market, shadow.window)
    losses = read_losses(Path(shadow.challenger.ref.path))
    shown = shadow.shown and window.rollout.policy != "shadow"
    return Judged(decide(compare(pairs, counts, losses, window), window, shadow.hours, shown), pairs, losses)


@dataclass(frozen=True)
class Settled:
    """A window's verdict, and the canary's step that was judged with it, where there was one."""

    verdict: Verdict
    canary: CanaryStep | None = None


def settle(lifecycle: Lifecycle, market: str) -> Settled | None:
    """Judge the market's window and act on the verdict by its rollout policy; None when nothing is shadowed.

    In a canary the window goes on with the customers whom the champion answers, and what turns out bad in it goes, too.

    Raises:
        DataError: the roles have changed since they were judged.
        TransientError: a store is away.
    """
    settled = _settle(lifecycle, market)
    tell(lifecycle, market, settled.verdict if settled else None)
    return settled


def _settle(lifecycle: Lifecycle, market: str) -> Settled | None:
    if not lifecycle.history(market).settled:
        lifecycle.publish()
    shadow = shadow_of(lifecycle, market)
    if shadow is None:
        return None
    rollout, verdict = lifecycle.environment.market(market).shadow.rollout, judge_window(lifecycle, shadow).verdict
    if verdict.decision == "reject":
        reject(lifecycle, market, verdict.reason, verdict.evidence(), shadow.roles)
        return Settled(verdict)
    if isinstance(rollout, CanaryRollout) and shadow.roles.canary_share is not None:
        return Settled(verdict, canary.go_on(lifecycle, market, verdict.evidence(), shadow.roles))
    if verdict.decision == "promote":
        _act_on_promote(lifecycle, shadow, rollout, verdict)
    return Settled(verdict)


def _act_on_promote(lifecycle: Lifecycle, shadow: Shadow, rollout: Rollout, verdict: Verdict) -> None:
    if isinstance(rollout, CanaryRollout):
        canary.begin(lifecycle, shadow.market, rollout, verdict.evidence(), shadow.roles)
    elif held_back(rollout):
        lifecycle.registry.tag(shadow.market, shadow.challenger.number, {_SHOWN_IN: shadow.window})
    else:
        promote(lifecycle, shadow.market, verdict.reason, verdict.evidence(), shadow.roles)


def notes(lifecycle: Lifecycle, market: str) -> list[str]:
    """What the market's rollout policy has to say of who is champion and challenger: who waits, how far a canary is.

    Raises:
        TransientError: a store is away.
    """
    rollout, shadow = lifecycle.environment.market(market).shadow.rollout, shadow_of(lifecycle, market)
    found = [] if shadow is None else window_notes(lifecycle, shadow)
    return [note for note in (*found, pin_note(rollout, market, lifecycle.history(market))) if note]


def window_notes(lifecycle: Lifecycle, shadow: Shadow) -> list[str]:
    """The same of an open window."""
    rollout = lifecycle.environment.market(shadow.market).shadow.rollout
    found = []
    if shadow.shown and held_back(rollout):
        found.append(held_note(rollout, shadow.market, shadow.challenger.number))
    if (step := canary.canary_of(lifecycle, shadow.market)) is not None:
        found.append(step.told())
    return found


def promote(
    lifecycle: Lifecycle, market: str, reason: str, evidence: dict[str, Any], judged: Roles | None = None
) -> None:
    """Make the challenger the champion; with `judged`, only if the roles are still these.

    Raises:
        DataError: the market has no challenger, or the roles have changed meanwhile.
        TransientError: a store is away.
    """
    lifecycle.change(Request("promote", (_known(lifecycle, market),), None, reason, evidence, judged))


def reject(
    lifecycle: Lifecycle, market: str, reason: str, evidence: dict[str, Any], judged: Roles | None = None
) -> None:
    """Take the challenger away; the champion goes on as it was. With `judged`, only if the roles are still these.

    Raises:
        DataError: the market has no challenger, or the roles have changed meanwhile.
        TransientError: a store is away.
    """
    lifecycle.change(Request("reject", (_known(lifecycle, market),), None, reason, evidence, judged))


def rollback(
    lifecycle: Lifecycle, market: str, reason: str, champion: str | None = None, by: str | None = None
) -> tuple[str, str]:
    """Bring the champion before the present one back; returns the old and the new champion.

    With `champion`, only from this one: a rollback of it that has been made already is not made again. `by`: who asks;
    by default who runs this process.

    Raises:
        DataError: there was no champion before this one, or the roles have changed meanwhile.
        TransientError: a store is away.
    """
    request = Request("rollback", (_known(lifecycle, market),), champion, reason, by=by or author())
    entry = lifecycle.change(request).entry
    assert entry is not None and entry.previous is not None
    return entry.previous, entry.version


def _known(lifecycle: Lifecycle, market: str) -> str:
    return lifecycle.environment.market(market).name
