"""Review promotions once the returns of their windows mature, and demote what turned out worse: run again, it goes on.

A demotion is one ledger entry by `libs.models.protocol`, as a rollback by hand is. What has been decided is noted in
the registry beside the version, so that nothing is reviewed for ever.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import polars as pl

from apps.shadow.purchases import purchases
from apps.shadow.rescoring import described, score
from apps.shadow.second_verdict import Purchases, SecondVerdict, decide, differences
from libs.base.market import Market
from libs.features.lake import Lake
from libs.features.outcomes import NO_OUTCOME
from libs.features.schema import ORDERS, RETURNS, Table
from libs.models.history import History, Promotion
from libs.models.lifecycle import Lifecycle
from libs.models.package import load
from libs.models.pair_log import read_window
from libs.models.protocol import Request
from libs.models.sampling import pair_secret

_DECISION_TAG, _REASON_TAG, _EVIDENCE_TAG = (f"fitwave.second_verdict{end}" for end in ("", "_reason", "_evidence"))

Action = Literal["demoted", "left", "noted"]


@dataclass(frozen=True)
class Review:
    """A promotion's second verdict, and what followed: demoted; left, for a person or for time to decide; or noted."""

    promotion: Promotion
    verdict: SecondVerdict
    action: Action
    why: str = ""


def review(lifecycle: Lifecycle, market: str) -> list[Review]:
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
    verdicts = judge(lifecycle, config, unreviewed(lifecycle, market))
    return [act(lifecycle, config, promotion, verdict) for promotion, verdict in verdicts]


def unreviewed(lifecycle: Lifecycle, market: str) -> list[Promotion]:
    """The promotions that have not been rolled back, and of which no second verdict is noted."""
    history = lifecycle.history(market)
    noted = {one.number for one in lifecycle.registry.versions(market) if _DECISION_TAG in one.tags}
    return [one for one in history.promotions() if one.version not in noted and not _is_rolled_back(history, one)]


def judge(lifecycle: Lifecycle, market: Market, promotions: list[Promotion]) -> list[tuple[Promotion, SecondVerdict]]:
    """Tell of each promotion what the purchases in its window show so far; nothing is changed."""
    if not promotions:
        return []
    lake = Lake.open(lifecycle.environment.lake)
    orders, returns = _read(lake, ORDERS, market), _read(lake, RETURNS, market)
    until, secret = known_until(orders, returns), pair_secret(lifecycle.environment.home)
    lines = {}
    for one in promotions:
        pairs, _ = read_window(lake, market.name, one.window)
        lines[one] = purchases(pairs, orders, returns, secret, market, until)
    scored = _scored(lifecycle, market, {one: _labelled(found) for one, found in lines.items()}, until)
    return [(one, _decided(market, one, lines[one], scored[one], until)) for one in promotions]


def known_until(orders: pl.DataFrame, returns: pl.DataFrame) -> datetime:
    """Until when the lake knows what happened: a return that is not delivered yet must not look like a kept line."""
    last = [column.max() for column in (orders["ordered_at"], returns["returned_at"])]
    delivered = [one if isinstance(one, datetime) else datetime.min.replace(tzinfo=UTC) for one in last]
    return min(datetime.now(UTC), *delivered)


def act(lifecycle: Lifecycle, market: Market, promotion: Promotion, verdict: SecondVerdict) -> Review:
    """Demote the version if the verdict says so and the policy lets it; note what has been decided.

    Raises:
        DataError: the roles have changed meanwhile.
        TransientError: a store is away.
    """
    if verdict.decision == "wait":
        return Review(promotion, verdict, "left")
    if verdict.decision != "demote":
        return _noted(lifecycle, market, Review(promotion, verdict, "noted"))
    forbidden = _forbidden(lifecycle.history(market.name), market, promotion, verdict)
    if forbidden:
        return _noted(lifecycle, market, Review(promotion, verdict, "left", forbidden))
    reason = f"second verdict: {verdict.reason}"
    lifecycle.change(Request("rollback", (market.name,), promotion.version, reason, verdict.evidence()))
    return _noted(lifecycle, market, Review(promotion, verdict, "demoted"))


def _forbidden(history: History, market: Market, promotion: Promotion, verdict: SecondVerdict) -> str:
    """Why a version that is worse is not demoted; empty if it may be."""
    policy = market.shadow.second_verdict
    last = verdict.purchases.complete_at + timedelta(days=policy.demotion_days)
    if history.roles.champion != promotion.version:
        return f"v{history.roles.champion} is champion since"
    if policy.policy != "act":
        return "the policy is to report"
    if datetime.now(UTC) > last:
        return f"after {last:%Y-%m-%d} only a person may: fitwave shadow rollback"
    return ""


def _noted(lifecycle: Lifecycle, market: Market, found: Review) -> Review:
    verdict = found.verdict
    reason = f"{found.why}: {verdict.reason}" if found.why else verdict.reason
    values = (verdict.decision, reason, json.dumps(verdict.evidence()))
    tags = dict(zip((_DECISION_TAG, _REASON_TAG, _EVIDENCE_TAG), values, strict=True))
    lifecycle.registry.tag(market.name, found.promotion.version, tags)
    return found


def _scored(
    lifecycle: Lifecycle, market: Market, labelled: Mapping[Promotion, pl.DataFrame], until: datetime
) -> dict[Promotion, pl.DataFrame]:
    """The lines of each promotion that has enough of them, with both losses; features are made once for all."""
    few = market.shadow.second_verdict.min_lines
    enough = {one: found for one, found in labelled.items() if len(found) >= few}
    scored = dict(labelled)
    if enough:
        lines = pl.concat([found["line_id"] for found in enough.values()]).unique()
        rows = described(lifecycle.environment, lifecycle.endpoints, market.name, lines, until)
        for one, found in enough.items():
            refs = (lifecycle.registry.version(market.name, number).ref for number in (one.previous, one.version))
            previous, promoted = (load(Path(ref.path), ref.sha256) for ref in refs)
            asked = rows.join(found, on="line_id", how="semi")
            scored[one] = score(found, asked, previous, promoted)
    return scored


def _decided(
    market: Market, promotion: Promotion, lines: pl.DataFrame, scored: pl.DataFrame, until: datetime
) -> SecondVerdict:
    days = market.shadow.second_verdict.attribution_days + market.label_maturity_days
    complete_at = promotion.at + timedelta(days=days)
    found = Purchases(len(lines), int(lines["mature"].sum()), len(scored), complete_at, until > complete_at)
    by_exposure = differences(scored, market.shadow.alpha) if "promoted" in scored.columns else {}
    return decide(found, by_exposure, market.shadow)


def _labelled(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(pl.col("outcome") != NO_OUTCOME)


def _is_rolled_back(history: History, promotion: Promotion) -> bool:
    return any(one.action == "rollback" and one.previous == promotion.version for one in history.entries)


def _read(lake: Lake, table: Table, market: Market) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(lake.read(table, market.name)))
