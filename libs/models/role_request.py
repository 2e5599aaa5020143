"""What can be asked of a market's roles, and the entry that each request adds to the ledger. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from libs.base.author import author
from libs.base.errors import DataError
from libs.models.history import History, Roles
from libs.models.ledger import Action, Entry


@dataclass(frozen=True)
class Request:
    """What is asked for. `publish` changes no role of its markets; everything else is about one market.

    `version`: which one is deployed, or rolled back. `judged`: the roles that a verdict is about; a change of others is
    refused. `canary_share`: the share of the customers that the challenger answers from a canary's step on.
    `by`: who asks.
    """

    action: Literal["deploy", "canary", "promote", "reject", "rollback", "publish"]
    markets: tuple[str, ...]
    version: str | None = None
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)
    judged: Roles | None = None
    canary_share: float | None = None
    by: str = field(default_factory=author)


# The entries that a request may have made.
MADE_BY: Mapping[str, tuple[Action, ...]] = {
    "deploy": ("first", "shadow"),
    "canary": ("canary",),
    "promote": ("promote",),
    "reject": ("reject",),
    "rollback": ("rollback",),
}


def _deploy(request: Request, history: History) -> Entry | None:
    assert request.version is not None
    if history.about(request.version) is not None:
        return None  # it has been deployed, and a verdict on it is not undone
    champion, evidence = history.roles.champion, dict(request.evidence)
    if champion is None:
        reason = "the first version of this market"
        return Entry(request.markets[0], "first", request.version, None, reason, evidence)
    return Entry(request.markets[0], "shadow", request.version, champion, "met the standards", evidence)


def _verdict(action: Action, request: Request, history: History) -> Entry:
    [market], roles = request.markets, history.roles
    if roles.challenger is None:
        raise DataError(f"market {market!r} has no challenger{_last(history)}; see `fitwave shadow status`")
    if request.judged not in (None, roles):
        raise DataError(changed(request, history))
    evidence, share = dict(request.evidence), request.canary_share
    return Entry(market, action, roles.challenger, roles.champion, request.reason, evidence, canary_share=share)


def _canary(request: Request, history: History) -> Entry:
    """A step of the challenger on its way to all customers: no role changes, and its window goes on."""
    entry = _verdict("canary", request, history)
    assert entry.canary_share is not None
    if entry.canary_share <= (history.roles.canary_share or 0.0):
        raise DataError(changed(request, history))
    return entry


def _rollback(request: Request, history: History) -> Entry:
    [market], champion = request.markets, history.roles.champion
    if champion is None:
        raise DataError(f"market {market!r} has no champion: there is nothing to roll back")
    if request.version not in (None, champion):
        raise DataError(changed(request, history))
    target = history.champion_before(champion)
    if target is None:
        raise DataError(f"v{champion} is the first champion of market {market!r}: there is none before it")
    return Entry(market, "rollback", target, champion, request.reason, dict(request.evidence))


_RULES: Mapping[str, Callable[[Request, History], Entry | None]] = {
    "deploy": _deploy,
    "canary": _canary,
    "promote": partial(_verdict, "promote"),
    "reject": partial(_verdict, "reject"),
    "rollback": _rollback,
}


def entry_for(request: Request, history: History) -> Entry | None:
    """What a request adds to its market's ledger; None if it has done so before.

    Raises:
        DataError: the roles are not what it was made upon, or do not allow it.
    """
    entry = _RULES[request.action](request, history)
    return entry and replace(entry, by=request.by)


def withdrawal(history: History, why: str, by: str) -> Entry:
    """Take the role away from a version that cannot be deployed, so that it stands in nobody's way."""
    last, champion = history.entries[-1], history.roles.champion
    goes_on = champion if champion != last.version else None
    return Entry(last.market, "withdraw", last.version, goes_on, f"not deployed: {why}", by=by)


def changed(request: Request, history: History) -> str:
    """Why a request is refused that was made upon roles which are others by now."""
    return (
        f"somebody else changed roles in market {request.markets[0]!r} meanwhile{_last(history)}. "
        "Look at `fitwave shadow status` and decide again."
    )


def _last(history: History) -> str:
    if not history.entries:
        return ""
    entry = history.entries[-1]
    return f" (the last change: {entry.action} v{entry.version}, {entry.at})"
