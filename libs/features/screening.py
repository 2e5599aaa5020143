"""The door: order lines and customers are checked, filtered by the market's rules, and dealt out by customer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa

from libs.base.market import Market
from libs.features.catalogue import Catalogue
from libs.features.columns import CUSTOMER_BODY
from libs.features.lake import Lake, LakeVersion
from libs.features.market_time import local, local_time
from libs.features.outcomes import with_outcomes
from libs.features.rules import KEPT, broken_rule
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, Table, check_key
from libs.features.shuffle import DayCounts
from libs.features.splits import windows
from libs.features.staging import Staging
from libs.features.validation.profile import TableProfile
from libs.features.validation.values import Breach, admitted
from libs.features.wall import Fault, walled

_MOMENT = pl.Datetime("us", "UTC")
# Order lines once they are through the door; moments are what the market's clock showed.
LINES_STAGED = pl.Schema(
    {
        "line_id": pl.String(),
        "customer_id": pl.String(),
        "article": pl.UInt32(),
        "rank": pl.UInt32(),
        "position": pl.Float64(),
        "scale": pl.Int8(),
        "ordered_at": _MOMENT,
        "matured_at": _MOMENT,
        "returned_at": _MOMENT,
        "first_outcome": pl.Int8(),
        "outcome": pl.Int8(),
        "broken_rule": pl.Int16(),
    }
)
CUSTOMERS_STAGED = pl.Schema(
    {"customer_id": pl.String(), "registered_at": _MOMENT, **dict.fromkeys(CUSTOMER_BODY, pl.Float64())}
)


@dataclass(frozen=True)
class Source:
    """What every worker is told: where the data is, what it is asked for, and where what it makes goes.

    `versions` says by market what is read of it, `groups` into how many groups its customers, and its articles, are
    dealt out.
    """

    lake_uri: str
    markets: Mapping[str, Market]
    as_of: datetime
    versions: Mapping[str, LakeVersion]
    groups: Mapping[str, int]
    staging: Staging

    def cut_off(self, market: str) -> datetime:
        """`as_of` by the market's own clock."""
        return local_time(self.as_of, self.markets[market].time_zone)


@dataclass(frozen=True)
class Dealt:
    """What became of one block's rows of one market: files by group, why the block failed if it did, rows left out for
    their values, the profile of the others, and, of order lines, how many came back, and how many are learned from by
    day.
    """

    market: str
    files: dict[int, str] = field(default_factory=dict)
    fault: str | None = None
    breaches: list[Breach] = field(default_factory=list)
    profile: TableProfile = field(default_factory=TableProfile)
    returned: int = 0
    days: dict[int, int] = field(default_factory=dict)


Deal = Callable[[pl.DataFrame, Source, Market], Dealt]


def screen_lines(batch: pa.Table, source: Source) -> pa.Table:
    """Check a block of order lines, say which rule each breaks and what came of it, and deal it out by customer.

    Lines ordered at or after `as_of` are not there yet.
    """
    return _each_market(batch, source, _deal_lines)


def screen_customers(batch: pa.Table, source: Source) -> pa.Table:
    """Check a block of customers and deal it out by customer."""
    return _each_market(batch, source, _deal_customers)


def dealt(rows: list[dict[str, Any]]) -> list[Dealt]:
    """What the blocks of a screened dataset came to."""
    found = []
    for row in rows:
        values = json.loads(row["dealt"])
        by_number = {name: {int(key): value for key, value in values[name].items()} for name in ("files", "days")}
        breaches = [Breach(**breach) for breach in values["breaches"]]
        profile = TableProfile(**values["profile"])
        found.append(Dealt(**values | by_number | {"breaches": breaches, "profile": profile}))
    return found


def _each_market(batch: pa.Table, source: Source, deal: Deal) -> pa.Table:
    """A block is of one market, but when Ray reads several small files as one."""
    parts = pl.DataFrame(pl.from_arrow(batch)).group_by("market", maintain_order=True)
    found = [_behind_wall(deal, rows.drop("market"), source, str(name)) for (name,), rows in parts]
    return pa.table({"dealt": pa.array([json.dumps(asdict(one)) for one in found], pa.string())})


def _behind_wall(deal: Deal, rows: pl.DataFrame, source: Source, market: str) -> Dealt:
    found = walled(market, lambda: deal(rows, source, source.markets[market]))
    return Dealt(market, fault=found.reason) if isinstance(found, Fault) else found


def _deal_lines(rows: pl.DataFrame, source: Source, market: Market) -> Dealt:
    kept, breaches = admitted(ORDERS, rows)
    lines = _described(kept.filter(pl.col("ordered_at") < source.as_of), source, market)
    learned = windows(market, source.cut_off(market.name))
    days = DayCounts.of(lines.filter(pl.col("broken_rule") == KEPT), learned.calibration_from)
    return Dealt(
        market=market.name,
        files=_deal(lines, "lines", source, market),
        breaches=breaches,
        profile=TableProfile.of(ORDERS, kept, source.as_of),
        returned=lines["returned_at"].count(),
        days=dict(zip(days.day.tolist(), days.count.tolist(), strict=True)) if market.training.shuffled_orders else {},
    )


def _described(rows: pl.DataFrame, source: Source, market: Market) -> pl.DataFrame:
    catalogue = catalogue_of(source, market.name)
    cut_off = source.cut_off(market.name)
    numbered = catalogue.numbered(rows.drop("order_id").with_columns(local("ordered_at", market.time_zone)))
    lines = numbered.with_columns(broken_rule=broken_rule(market.rules, cut_off, of_customers=False)).drop(
        "article_id", "size", "division", "quantity", "channel"
    )
    version = source.versions[market.name].tables[RETURNS.name]
    returns = _returns(source.lake_uri, market.name, version, market.time_zone)
    dated = with_outcomes(lines, returns, market.label_maturity_days, cut_off)
    return dated.select(LINES_STAGED.names()).cast(LINES_STAGED)


def _deal_customers(rows: pl.DataFrame, source: Source, market: Market) -> Dealt:
    kept, breaches = admitted(CUSTOMERS, rows)
    told = kept.with_columns(local("registered_at", market.time_zone)).select(CUSTOMERS_STAGED.names())
    return Dealt(
        market=market.name,
        files=_deal(told.cast(CUSTOMERS_STAGED), "customers", source, market),
        breaches=breaches,
        profile=TableProfile.of(CUSTOMERS, kept, source.as_of),
    )


def _deal(rows: pl.DataFrame, kind: str, source: Source, market: Market) -> dict[int, str]:
    group = (pl.col("customer_id").hash(0) % source.groups[market.name]).cast(pl.Int64)
    parts = rows.with_columns(group=group).partition_by("group", as_dict=True, include_key=False)
    return {int(number): source.staging.rows(market.name, kind, part) for (number,), part in parts.items()}


def catalogue_of(source: Source, market: str) -> Catalogue:
    """The market's articles, read once in a worker."""
    zone, version = source.markets[market].time_zone, source.versions[market].tables[ARTICLES.name]
    return _catalogue(source.lake_uri, market, version, zone)


# What is kept is kept by version: a worker process lives through several runs.
@lru_cache(maxsize=16)
def _catalogue(lake_uri: str, market: str, version: str, zone: str) -> Catalogue:
    kept, _ = admitted(ARTICLES, _read(lake_uri, ARTICLES, market, version))
    return Catalogue.of(kept.with_columns(local("launched_at", zone)))


@lru_cache(maxsize=4)
def _returns(lake_uri: str, market: str, version: str, zone: str) -> pl.DataFrame:
    kept, _ = admitted(RETURNS, _read(lake_uri, RETURNS, market, version))
    return kept.with_columns(local("returned_at", zone))


def _read(lake_uri: str, table: Table, market: str, version: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(Lake.open(lake_uri).read(table, market, version)))


@dataclass(frozen=True)
class Dimensions:
    """A market's tables that are read whole: faults of their keys, rows left out for their values, and profiles."""

    faults: list[str]
    breaches: list[Breach]
    profiles: dict[str, TableProfile]


def check_dimensions(source: Source, market: str) -> Dimensions:
    """Check the articles and returns of a market."""
    lake = Lake.open(source.lake_uri)
    checked = Dimensions([], [], {})
    for table in (ARTICLES, RETURNS):
        rows = lake.read(table, market, source.versions[market].tables[table.name])
        kept, breaches = admitted(table, pl.DataFrame(pl.from_arrow(rows)))
        checked.faults.extend(f"table {table.name!r} of market {market!r}: {fault}" for fault in check_key(table, rows))
        checked.breaches.extend(breaches)
        checked.profiles[table.name] = TableProfile.of(table, kept, source.as_of)
    return checked
