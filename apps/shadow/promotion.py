"""Change the champion: promote, reject, roll back. The registry first, then the ledger, then Serve.

Killed between two steps, what answers is the old champion or the new one, whole; the same command run again finds the
steps done and finishes the rest. The old champion's package stays, so that a rollback is the same swap backwards.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.shadow.comparison import compare, read_losses
from apps.shadow.verdict import Verdict, decide
from libs.base.errors import DataError
from libs.features.lake import Lake
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.pair_log import read_window
from libs.models.registry import Version

_CHAMPION_CHANGES = ("first", "promote", "rollback")


@dataclass(frozen=True)
class Shadow:
    """One market's window as it stands."""

    market: str
    champion: Version
    challenger: Version
    window: str
    hours: float


def shadow_of(lifecycle: Lifecycle, market: str) -> Shadow | None:
    """The market's open window, or None when nothing is shadowed."""
    lifecycle.environment.market(market)
    champion = lifecycle.registry.holder(market, "champion")
    challenger = lifecycle.registry.holder(market, "challenger")
    if champion is None or challenger is None:
        return None
    began = [entry for entry in lifecycle.ledger.entries(market) if entry.version == challenger.number]
    since = datetime.fromisoformat(began[-1].at) if began else datetime.now(UTC)
    hours = (datetime.now(UTC) - since).total_seconds() / 3600
    return Shadow(market, champion, challenger, lifecycle.window(challenger), hours)


def judge_window(lifecycle: Lifecycle, shadow: Shadow) -> Verdict:
    """Compare champion and challenger on what the window has logged so far."""
    window = lifecycle.environment.market(shadow.market).shadow
    pairs, counts = read_window(Lake.open(lifecycle.environment.lake), shadow.market, shadow.window)
    losses = read_losses(Path(shadow.challenger.ref.path))
    return decide(compare(pairs, counts, losses, window), window, shadow.hours)


def settle(lifecycle: Lifecycle, market: str) -> Verdict | None:
    """Judge the market's window and act on the verdict; None when nothing is shadowed."""
    shadow = shadow_of(lifecycle, market)
    if shadow is None:
        return None
    verdict = judge_window(lifecycle, shadow)
    if verdict.decision == "promote":
        promote(lifecycle, market, verdict.reason, verdict.evidence())
    elif verdict.decision == "reject":
        reject(lifecycle, market, verdict.reason, verdict.evidence())
    return verdict


def promote(lifecycle: Lifecycle, market: str, reason: str, evidence: dict[str, Any]) -> None:
    """Make the challenger the champion.

    Raises:
        DataError: the market has no challenger, or the roles have changed meanwhile.
    """
    with lifecycle.changing():
        challenger = _challenger(lifecycle, market)
        champion = lifecycle.registry.holder(market, "champion")
        previous = champion.number if champion else None
        if previous == challenger.number:
            # Killed after the alias was moved: who was champion before is in the ledger.
            previous = _live_before(lifecycle, market, challenger.number)
        lifecycle.registry.assign(market, "champion", challenger.number, previous)
        lifecycle.ledger.append(Entry(market, "promote", challenger.number, previous, reason, evidence))
        lifecycle.registry.tag(market, challenger.number, {"fitwave.status": "promoted"})
        lifecycle.registry.release(market, "challenger")
        lifecycle.publish()


def reject(lifecycle: Lifecycle, market: str, reason: str, evidence: dict[str, Any]) -> None:
    """Take the challenger away; the champion goes on as it was.

    Raises:
        DataError: the market has no challenger.
    """
    with lifecycle.changing():
        challenger = _challenger(lifecycle, market)
        champion = lifecycle.registry.holder(market, "champion")
        live = champion.number if champion else None
        lifecycle.ledger.append(Entry(market, "reject", challenger.number, live, reason, evidence))
        lifecycle.registry.tag(market, challenger.number, {"fitwave.status": "rejected", "fitwave.reason": reason})
        lifecycle.registry.release(market, "challenger")
        lifecycle.publish()


def rollback(lifecycle: Lifecycle, market: str, reason: str) -> tuple[str, str]:
    """Bring the champion before the present one back; returns the old and the new champion.

    Raises:
        DataError: there was no champion before this one.
    """
    with lifecycle.changing():
        champion = lifecycle.registry.holder(market, "champion")
        if champion is None:
            raise DataError(f"market {market!r} has no champion: there is nothing to roll back")
        target = _live_before(lifecycle, market, champion.number)
        if target is None:
            raise DataError(f"v{champion.number} is the first champion of market {market!r}: there is none before it")
        lifecycle.registry.assign(market, "champion", target, champion.number)
        lifecycle.registry.tag(market, champion.number, {"fitwave.status": "rolled back", "fitwave.reason": reason})
        lifecycle.ledger.append(Entry(market, "rollback", target, champion.number, reason))
        lifecycle.publish()
    return champion.number, target


def _challenger(lifecycle: Lifecycle, market: str) -> Version:
    lifecycle.environment.market(market)
    challenger = lifecycle.registry.holder(market, "challenger")
    if challenger is None:
        raise DataError(f"market {market!r} has no challenger; see `fitwave shadow status`")
    return challenger


def _live_before(lifecycle: Lifecycle, market: str, version: str) -> str | None:
    """Who was champion when `version` became it, or is champion still if it has not.

    Of a champion that came by rollback, it is who was champion before that version's own promotion: rolling back twice
    goes two champions back, and not to and fro.
    """
    changes = [entry for entry in lifecycle.ledger.entries(market) if entry.action in _CHAMPION_CHANGES]
    made = [entry for entry in changes if entry.version == version and entry.action != "rollback"]
    if made:
        return made[-1].previous
    return changes[-1].version if changes else None
