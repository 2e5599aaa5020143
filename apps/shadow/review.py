"""Judge promotions again once the returns of their windows mature; nothing is changed here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from apps.shadow.purchases import purchases
from apps.shadow.rescoring import described, score
from apps.shadow.second_verdict import Purchases, SecondVerdict, decide, differences
from libs.base.market import Market
from libs.features.lake import Lake
from libs.features.outcomes import NO_OUTCOME
from libs.features.schema import ORDERS, RETURNS, Table
from libs.models.history import Promotion
from libs.models.lifecycle import Lifecycle
from libs.models.package import OtherFormatError, load
from libs.models.pair_log import read_window
from libs.models.sampling import pair_secret


def review(lifecycle: Lifecycle, market: Market, promotions: list[Promotion]) -> list[tuple[Promotion, SecondVerdict]]:
    """Tell of each promotion what the purchases in its window show so far.

    Raises:
        DataError: the lake or a package cannot be read.
        TransientError: a store or the cluster is away.
    """
    if not promotions:
        return []
    lake, secret = Lake.open(lifecycle.environment.lake), pair_secret(lifecycle.environment.home)
    orders, returns = _read(lake, ORDERS, market), _read(lake, RETURNS, market)
    until, lines = known_until(orders, returns), {}
    for one in promotions:
        pairs, _ = read_window(lake, market.name, one.window)
        lines[one] = purchases(pairs, orders, returns, secret, market, until)
    rows = _rows(lifecycle, market, lines, until)
    return [(one, _tell(lifecycle, market, one, lines[one], rows, until)) for one in promotions]


def known_until(orders: pl.DataFrame, returns: pl.DataFrame) -> datetime:
    """Until when the lake knows what happened: a return that is not delivered yet must not look like a kept line."""
    last = [column.max() for column in (orders["ordered_at"], returns["returned_at"])]
    delivered = [one if isinstance(one, datetime) else datetime.fromtimestamp(0, UTC) for one in last]
    return min(datetime.now(UTC), *delivered)


def _rows(
    lifecycle: Lifecycle, market: Market, lines: Mapping[Promotion, pl.DataFrame], until: datetime
) -> pl.DataFrame:
    """The training rows of the lines that have an outcome, made once for all promotions that have enough of them."""
    few = market.shadow.second_verdict.min_lines
    asked = [labelled["line_id"] for labelled in map(_labelled, lines.values()) if len(labelled) >= few]
    if not asked:
        return pl.DataFrame(schema={"line_id": pl.String})
    return described(lifecycle.environment, lifecycle.endpoints, market.name, pl.concat(asked).unique(), until)


def _tell(
    lifecycle: Lifecycle,
    market: Market,
    promotion: Promotion,
    lines: pl.DataFrame,
    rows: pl.DataFrame,
    until: datetime,
) -> SecondVerdict:
    days = market.shadow.second_verdict.attribution_days + market.label_maturity_days
    complete_at, labelled = promotion.at + timedelta(days=days), _labelled(lines)
    found = Purchases(len(lines), int(lines["mature"].sum()), len(labelled), complete_at, until > complete_at)
    if len(labelled) < market.shadow.second_verdict.min_lines:
        return decide(found, {}, market.shadow)
    refs = [lifecycle.registry.version(market.name, one).ref for one in (promotion.previous, promotion.version)]
    try:
        previous, promoted = (load(Path(ref.path), ref.sha256) for ref in refs)
    except OtherFormatError as error:
        return SecondVerdict("untold", f"a version cannot be asked any more: {error}", replace(found, scored=0), {})
    scored = score(labelled, rows.join(labelled, on="line_id", how="semi"), previous, promoted)
    return decide(replace(found, scored=len(scored)), differences(scored, market.shadow.alpha), market.shadow)


def _labelled(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.filter(pl.col("outcome") != NO_OUTCOME)


def _read(lake: Lake, table: Table, market: Market) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(lake.read(table, market.name)))
