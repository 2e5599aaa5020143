"""Bring the features of every registered customer and every online article online, before any new model goes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import polars as pl
import ray.data
from feast import FeatureStore
from ray.data import TaskPoolStrategy

from libs.base.errors import DataError
from libs.features.definitions import ARTICLE, CUSTOMER, MARKET, repository, views
from libs.features.online import OnlineStore
from libs.features.preprocess import Prepared
from libs.features.refresh_stamp import RefreshStamps

# Rows a task writes in one pipeline: large enough to hide the round trip, small enough not to hold Redis up.
_BATCH_ROWS = 1_000
_PART_ROWS = 8_000
_WRITERS = 2


@dataclass(frozen=True)
class Destination:
    """Where online features go; what a worker needs to open the store."""

    environment: str
    home: Path
    redis_url: str


@dataclass(frozen=True)
class Refreshed:
    """What one market's refresh wrote, and what share of it can be read back."""

    market: str
    customers: int
    articles: int
    customer_coverage: float
    article_coverage: float

    @property
    def coverage(self) -> float:
        """The smaller of the two shares: a request needs both sides."""
        return min(self.customer_coverage, self.article_coverage)


def apply_definitions(destination: Destination) -> None:
    """Register entities and views with Feast; a no-op when they are as before."""
    registry = destination.home / "feast"
    registry.mkdir(parents=True, exist_ok=True)
    feast_views = views()
    store = FeatureStore(config=repository(destination.environment, destination.home, destination.redis_url))
    store.apply([MARKET, CUSTOMER, ARTICLE, feast_views.customers, feast_views.articles])


def refresh(destination: Destination, prepared: Sequence[Prepared]) -> dict[str, Refreshed]:
    """Write the feature tables of these markets and read back how much arrived; the caller is connected to Ray.

    Running it again writes the same rows: it is safe after a crash.

    Raises:
        TransientError: Redis is away.
    """
    apply_definitions(destination)
    # A first read here: that Redis is away is said at once and plainly, not by a failed task among many.
    _store(destination).read(views().customers, prepared[0].market, [""])
    parts = [part for market in prepared for part in _parts(market)]
    writes = ray.data.from_items(parts, override_num_blocks=len(parts))
    # Two writers keep two cores busy; each costs an import of Feast, which is most of a small refresh.
    writes.map(partial(_write_part, destination=destination), compute=TaskPoolStrategy(_WRITERS)).materialize()
    stamps = RefreshStamps(destination.redis_url, destination.environment)
    for market in prepared:
        stamps.renew(market.market)
    return {market.market: _coverage(destination, market) for market in prepared}


def _parts(prepared: Prepared) -> list[dict[str, Any]]:
    """The slices of a market's two tables that one task writes each."""
    tables = (
        ("customers", prepared.customers_path, prepared.customers),
        ("articles", prepared.articles_path, prepared.articles),
    )
    return [
        {"market": prepared.market, "kind": kind, "path": path, "start": start, "as_of": prepared.as_of}
        for kind, path, rows in tables
        for start in range(0, rows, _PART_ROWS)
    ]


def _write_part(part: dict[str, Any], destination: Destination) -> dict[str, Any]:
    rows = pl.scan_parquet(part["path"]).slice(part["start"], _PART_ROWS).collect()
    view = getattr(views(), part["kind"])
    as_of = datetime.fromisoformat(part["as_of"])
    store = _store(destination)
    for batch in rows.iter_slices(_BATCH_ROWS):
        ids = batch[f"{part['kind'].removesuffix('s')}_id"].to_list()
        store.write(view, part["market"], ids, batch, as_of)
    return {"written": len(rows)}


@lru_cache(maxsize=4)
def _store(destination: Destination) -> OnlineStore:
    return OnlineStore(repository(destination.environment, destination.home, destination.redis_url))


def _coverage(destination: Destination, prepared: Prepared) -> Refreshed:
    customers = pl.read_parquet(prepared.customers_path, columns=["customer_id"])["customer_id"].to_list()
    articles = pl.read_parquet(prepared.articles_path, columns=["article_id"])["article_id"].to_list()
    return Refreshed(
        market=prepared.market,
        customers=len(customers),
        articles=len(articles),
        customer_coverage=_share_online(destination, "customers", prepared.market, customers),
        article_coverage=_share_online(destination, "articles", prepared.market, articles),
    )


def _share_online(destination: Destination, kind: str, market: str, ids: Sequence[str]) -> float:
    """The share of these ids that the online store knows."""
    if not ids:
        return 0.0
    store, view = _store(destination), getattr(views(), kind)
    found = sum(
        row is not None
        for start in range(0, len(ids), _BATCH_ROWS)
        for row in store.read(view, market, ids[start : start + _BATCH_ROWS])
    )
    return found / len(ids)


def require_coverage(refreshed: Refreshed, minimum: float) -> None:
    """Block a deployment whose features are not there.

    Raises:
        DataError: the coverage is below the market's bound.
    """
    if refreshed.coverage < minimum:
        raise DataError(
            f"market {refreshed.market!r}: only {refreshed.customer_coverage:.1%} of customers and "
            f"{refreshed.article_coverage:.1%} of articles have online features, the market needs {minimum:.1%}. "
            f"Nothing was deployed; look at Redis' memory and evictions, then run the refresh again."
        )
