"""Forget a customer: out of the lake, the pair log and both sides of the online store, and look again.

Models hold trees and counts, and their losses number customers, so there is nothing of one in the registry. Weeks that
were interrupted may have left tables of features, and validation pages quote rows; they are looked through, too.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.features.contents import Contents
from libs.features.definitions import views
from libs.features.lake import Lake
from libs.features.online import OnlineStore
from libs.features.refresh import KEYS
from libs.features.schema import CUSTOMERS, ORDERS, RETURNS
from libs.features.sides import SIDES, Sides, place
from libs.models import pair_log
from libs.models.pair_compaction import alone
from libs.models.sampling import pair_secret, pseudonym

# Routers have written the pairs that they hold after so many flushes.
_FLUSHES = 2


@dataclass(frozen=True)
class Trace:
    """What one store held of the customer: rows that were removed, and rows that are still there."""

    store: str
    removed: int
    left: int


def forget(environment: Environment, endpoints: Endpoints, market: str, customer_id: str) -> list[Trace]:
    """Remove a customer of one market from every store; again is safe, and then nothing is removed.

    Raises:
        TransientError: Redis is away, or a refresh of the market or a compaction of its pairs is at work.
    """
    lake, customer = Lake.open(environment.lake), pseudonym(customer_id, pair_secret(environment.home))
    # The lake first: a refresh that begins meanwhile no longer finds the customer there.
    traces = [*_from_lake(lake, market, customer_id), _from_online(environment, endpoints, market, customer_id)]
    with alone(endpoints.redis_url, environment.name, market):
        removed = pair_log.forget(lake, market, customer)
        # Also where nothing was found: somebody may have been sampled just now for the first time.
        if pair_log.windows(lake, market):
            time.sleep(_FLUSHES * environment.serving.pair_log.flush_s)
            removed += pair_log.forget(lake, market, customer)
    return [
        *traces,
        Trace("pair log", removed, pair_log.count(lake, market, customer)),
        _from_pages(environment.home / "validation" / market, customer_id),
        Trace("interrupted weeks", 0, _in_runs(environment.home / "runs", market, customer_id)),
    ]


def _from_lake(lake: Lake, market: str, customer_id: str) -> list[Trace]:
    # Returns name no customer: they go while their orders still say which they are.
    orders = lake.select(ORDERS, market, "customer_id", [customer_id])
    lines: Sequence[str] = orders["line_id"].to_pylist()
    return [
        Trace(
            f"lake: {table.name}",
            lake.drop_rows(table, market, column, values),
            lake.select(table, market, column, values).num_rows,
        )
        for table, column, values in (
            (RETURNS, "line_id", lines),
            (ORDERS, "customer_id", [customer_id]),
            (CUSTOMERS, "customer_id", [customer_id]),
        )
    ]


def _from_online(environment: Environment, endpoints: Endpoints, market: str, customer_id: str) -> Trace:
    sides = Sides(endpoints.redis_url, environment.name)
    store = OnlineStore.open(environment.name, environment.home, endpoints.redis_url)
    view, removed, left = views().customers, 0, 0
    # A weekly job may have read the lake before; its refresh leaves the customer out.
    sides.forget(market, customer_id)
    with sides.refreshing(market):
        for side in SIDES:
            known = Contents.load(environment.home, sides, market, side, KEYS)
            if known is not None:
                customers = known.rows["customers"].filter(pl.col("id") != customer_id)
                Contents({**known.rows, "customers": customers}).save(environment.home, sides, market, side)
            removed += store.delete(view, place(market, side), [customer_id])
            left += store.count(view, place(market, side), [customer_id])
    return Trace("online store", removed, left)


def _from_pages(folder: Path, customer_id: str) -> Trace:
    """Validation pages quote rows of deliveries; one that names the customer is removed whole."""
    naming = [path for path in folder.glob("*.html") if customer_id in path.read_text(encoding="utf-8")]
    for path in naming:
        path.unlink()
    return Trace("validation pages", len(naming), sum(path.exists() for path in naming))


def _in_runs(runs: Path, market: str, customer_id: str) -> int:
    tables = [path for kind in ("training", "customers") for path in sorted(runs.glob(f"*/{market}/{kind}/*.parquet"))]
    return sum(
        pl.scan_parquet(path).filter(pl.col("customer_id") == customer_id).select(pl.len()).collect().item()
        for path in tables
    )
