"""The feature views, and the Feast repository that holds them, made from the environment and not from a file."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from libs.base.identifiers import feast_project
from libs.base.redis_url import Kind, RedisUrl
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, HISTORY_COUNTS, SIZE_RANGE, SIZE_STATISTICS
from libs.features.feast_import import (
    Array,
    Entity,
    FeastType,
    FeatureView,
    Field,
    FileSource,
    Float64,
    Int64,
    RedisOnlineStoreConfig,
    RedisType,
    RepoConfig,
    String,
    ValueType,
)

# How long a read or write may hang before Redis counts as gone; redis-py waits forever unless told.
REDIS_TIMEOUT_S = 2
_REDIS_TYPES: dict[Kind, RedisType] = {
    "server": RedisType.redis,
    "sentinel": RedisType.redis_sentinel,
    "cluster": RedisType.redis_cluster,
}

# The market is part of every key: two markets may use the same ids, and Feast writes each part with its length, so no
# id can be made to read as another market's.
MARKET = Entity(name="market", join_keys=["market"], value_type=ValueType.STRING)
CUSTOMER = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
ARTICLE = Entity(name="article", join_keys=["article_id"], value_type=ValueType.STRING)


@dataclass(frozen=True)
class Views:
    """The two views of a lookup. Article-size features are lists over the article's sizes, in the article's own row:
    one read answers for all sizes, where a key per size would need the list of sizes first and then a second read.
    """

    customers: FeatureView
    articles: FeatureView


def _view(name: str, entity: Entity, columns: dict[str, FeastType]) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[MARKET, entity],
        ttl=timedelta(0),
        schema=[
            Field(name="market", dtype=String),
            Field(name=entity.join_key, dtype=String),
            *(Field(name=column, dtype=dtype) for column, dtype in columns.items()),
        ],
        source=FileSource(name=f"{name}_source", path=f"{name}.parquet", timestamp_field="as_of"),
        online=True,
    )


def views() -> Views:
    """The views, made anew: Feast changes the objects it applies."""
    floats = Array(Float64)
    customers: dict[str, FeastType] = dict.fromkeys(CUSTOMER_BODY, Float64)
    customers |= {"body_positions": floats}
    customers |= {"history_scale": Array(Int64), "history_position": floats, "history_brand": Array(String)}
    customers |= dict.fromkeys(HISTORY_COUNTS, floats)
    articles: dict[str, FeastType] = {"brand": String, "scale": Int64, "sizes": Array(String), "positions": floats}
    articles |= dict.fromkeys(SIZE_RANGE, Float64)
    articles |= dict.fromkeys(SIZE_STATISTICS, floats)
    articles |= dict.fromkeys(ARTICLE_STATISTICS, Float64)
    return Views(_view("customer_features", CUSTOMER, customers), _view("article_features", ARTICLE, articles))


def repository(environment: str, home: Path, redis_url: str) -> RepoConfig:
    """Feast's configuration for one environment; `home` takes the registry file."""
    return RepoConfig(
        project=feast_project(environment),
        provider="local",
        registry=str(home / "feast" / "registry.db"),
        online_store=_online_store(redis_url),
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )


def _online_store(redis_url: str) -> RedisOnlineStoreConfig:
    """Feast's own notation for a Redis URL."""
    found = RedisUrl.parse(redis_url)
    parts = [f"{host}:{port}" for host, port in found.nodes]
    if found.kind != "cluster":
        parts.append(f"db={found.db}")
    known = {"username": found.username, "password": found.password}
    parts += [f"{name}={value}" for name, value in known.items() if value]
    # Feast reads a value as JSON where it is some.
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.options.items()}
    parts += [f"{name}={value}" for name, value in told.items()]
    parts += [f"socket_timeout={REDIS_TIMEOUT_S}", f"socket_connect_timeout={REDIS_TIMEOUT_S}"]
    return RedisOnlineStoreConfig(
        redis_type=_REDIS_TYPES[found.kind], connection_string=",".join(parts), sentinel_master=found.service or "none"
    )
