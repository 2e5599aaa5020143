"""How fast Feast itself brings rows online: `FeatureStore.materialize` of the same view from a Parquet file."""

import time
from datetime import UTC, datetime, timedelta

import polars as pl
from feast import FeatureStore, FileSource

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.features.definitions import ARTICLE, CUSTOMER, MARKET, repository, views


def feast_rows_per_s(environment: Environment, endpoints: Endpoints, customers: str, rows: int) -> float:
    """Rows a second of customers that Feast materializes into the environment's Redis."""
    home = environment.home / "plain-feast"
    home.mkdir()
    now = datetime.now(UTC)
    found = pl.read_parquet(customers).head(rows).with_columns(market=pl.lit("feast"), as_of=pl.lit(now))
    path = home / "customers.parquet"
    found.write_parquet(path)
    view = views().customers
    view.batch_source = FileSource(name="plain_feast", path=str(path), timestamp_field="as_of")
    store = FeatureStore(config=repository("plain-feast", home, endpoints.redis_url))
    (home / "feast").mkdir(exist_ok=True)
    store.apply([MARKET, CUSTOMER, ARTICLE, view])
    began = time.monotonic()
    store.materialize(now - timedelta(days=1), now + timedelta(days=1), [view.name])
    return len(found) / (time.monotonic() - began)
