"""Act on second verdicts: demote what turned out worse. Killed anywhere, the same command run again finishes.

A demotion is one ledger entry by `libs.models.protocol`, as a rollback by hand is. What has been decided is noted in
the registry beside the version, so that nothing is reviewed for ever.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from apps.shadow.review import review
from apps.shadow.rollout import pinned_to
from apps.shadow.second_verdict import SecondVerdict
from libs.base.market import Market
from libs.models.history import Promotion, Roles
from libs.models.lifecycle import Lifecycle
from libs.models.role_request import Request

_DECISION, _REASON, _EVIDENCE = (f"fitwave.second_verdict{end}" for end in ("", "_reason", "_evidence"))


@dataclass(frozen=True)
class Reviewed:
    """A promotion's second verdict, and what followed; `why` says of one that is worse why it is not demoted."""

    promotion: Promotion
    verdict: SecondVerdict
    action: Literal["demoted", "noted", "nothing"]
    why: str = ""


def settle_again(lifecycle: Lifecycle, market: str) -> list[Reviewed]:
    """Review the market's promotions of which no second verdict is noted, and act as its policy says.

    Raises:
        DataError: the lake or a package cannot be read, or the roles have changed meanwhile.
        TransientError: a store or the cluster is away.
    """
    config = lifecycle.environment.market(market)
    if config.shadow.second_verdict.policy == "off":
        return []
    if not lifecycle.history(market).settled:
        lifecycle.publish()
    verdicts = review(lifecycle, config, unreviewed(lifecycle, market))
    return [act(lifecycle, config, promotion, verdict) for promotion, verdict in verdicts]


def unreviewed(lifecycle: Lifecycle, market: str) -> list[Promotion]:
    """The promotions that have not been rolled back, and of which no second verdict is noted."""
    history = lifecycle.history(market)
    noted = {one.number for one in lifecycle.registry.versions(market) if _DECISION in one.tags}
    gone = {one.previous for one in history.entries if one.action == "rollback"}
    return [one for one in history.promotions() if one.version not in noted | gone]


def act(lifecycle: Lifecycle, market: Market, promotion: Promotion, verdict: SecondVerdict) -> Reviewed:
    """Demote the version if the verdict says so and the policy lets it; note what has been decided.

    Raises:
        DataError: the roles have changed meanwhile.
        TransientError: a store is away.
    """
    if verdict.decision == "wait":
        return Reviewed(promotion, verdict, "nothing")
    if verdict.decision != "demote":
        return _noted(lifecycle, market, Reviewed(promotion, verdict, "noted"))
    forbidden = why_not(lifecycle.history(market.name).roles, market, promotion, verdict)
    if forbidden:
        return _noted(lifecycle, market, Reviewed(promotion, verdict, "noted", forbidden))
    reason = f"second verdict: {verdict.reason}"
    lifecycle.change(Request("rollback", (market.name,), promotion.version, reason, verdict.evidence()))
    return _noted(lifecycle, market, Reviewed(promotion, verdict, "demoted"))


def why_not(roles: Roles, market: Market, promotion: Promotion, verdict: SecondVerdict) -> str:
    """Why a version that is worse is not demoted; empty if it is to be."""
    policy = market.shadow.second_verdict
    last = verdict.purchases.complete_at + timedelta(days=policy.demotion_days)
    if roles.champion != promotion.version:
        return f"v{roles.champion} is champion by now"
    if pinned_to(market.shadow.rollout) == promotion.version:
        return f"the market is pinned to v{promotion.version}"
    if policy.policy != "act":
        return "the policy is to report"
    if datetime.now(UTC) > last:
        return f"only a person may after {last:%Y-%m-%d}"
    return ""


def _noted(lifecycle: Lifecycle, market: Market, found: Reviewed) -> Reviewed:
    verdict = found.verdict
    reason = f"{verdict.reason}; not demoted: {found.why}" if found.why else verdict.reason
    tags = {_DECISION: verdict.decision, _REASON: reason, _EVIDENCE: json.dumps(verdict.evidence())}
    lifecycle.registry.tag(market.name, found.promotion.version, tags)
    return found
