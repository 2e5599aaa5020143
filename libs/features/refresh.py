"""Bring the features of every registered customer and every online article online, before any new model goes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import ray.data
from feast import FeatureStore

from libs.base.errors import DataError
from libs.features.definitions import ARTICLE, CUSTOMER, MARKET, repository, views
from libs.features.online import OnlineStore
from libs.features.preprocess import Prepared

# Rows a task writes in one pipeline: large enough to hide the round trip, small enough not to hold Redis up.
_BATCH_ROWS = 2_000


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
    for kind in ("customers", "articles"):
        for market in prepared:
            rows = ray.data.read_parquet(str(getattr(market, f"{kind}_path")))
            write = partial(_write_batch, destination=destination, prepared=market, kind=kind)
            rows.map_batches(write, batch_format="pyarrow", batch_size=_BATCH_ROWS).materialize()
    return {market.market: _coverage(destination, market) for market in prepared}


def _write_batch(batch: pa.Table, destination: Destination, prepared: Prepared, kind: str) -> pa.Table:
    rows = pl.DataFrame(pl.from_arrow(batch))
    ids = rows[f"{kind.removesuffix('s')}_id"].to_list()
    view = getattr(views(), kind)
    _store(destination).write(view, prepared.market, ids, rows, datetime.fromisoformat(prepared.as_of))
    return pa.table({"written": [len(ids)]})


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
