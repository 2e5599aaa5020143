"""The online store: rows written and read by key, in Feast's Redis store."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import redis

from libs.base.errors import TransientError
from libs.base.redis_url import connect
from libs.features.definitions import REDIS_TIMEOUT_S, repository
from libs.features.feast_import import (
    EntityKey,
    FeatureView,
    RedisOnlineStore,
    RepoConfig,
    Value,
    feast_value_type_to_python_type,
)
from libs.features.online_encoding import RowKeys, encoded
from libs.features.snapshot import OnlineRow

# Rows in one pipeline: large enough to hide the round trip.
_BATCH_ROWS = 500
# Of a writer that gives way: Redis serves others meanwhile.
_GENTLE_ROWS = 50


class OnlineStore:
    """Reads and writes one environment's feature rows.

    A *place* is where rows stand in Feast's key beside their own id: one of a market's two sides (see `sides`).

    `RedisOnlineStore` is used directly, and not `FeatureStore.get_online_features`: it tells a key that was never
    written from one whose features are null, gives the time of the features, and builds no response object. Rows are
    written in its layout by `online_encoding`.
    """

    def __init__(self, repository: RepoConfig, client: redis.Redis) -> None:
        self._repository = repository
        self._store = RedisOnlineStore()
        # Feast makes its own from a notation that takes no comma in a password and no TLS between Sentinels, and waits
        # some seconds before it says that Redis is away.
        self._store._client = client

    @classmethod
    def open(cls, environment: str, home: Path, redis_url: str, timeout_s: float = REDIS_TIMEOUT_S) -> "OnlineStore":
        """The store of an environment, whose `home` takes Feast's registry file; each answer is waited for so long.

        Raises:
            DataError: the URL is none.
            TransientError: it is a Cluster's, and no node of it answers.
        """
        return cls(repository(environment, home, redis_url), connect(redis_url, timeout_s))

    def write(
        self,
        view: FeatureView,
        place: str,
        ids: Sequence[str],
        rows: pl.DataFrame,
        as_of: datetime,
        rest: float | None = None,
    ) -> None:
        """Write feature rows over what is there; with `rest`, after every few rows rest so many times as long as they
        took.

        Shape: ids (n), rows (n, features of the view).

        Raises:
            TransientError: Redis is away.
        """
        keys, size = self._keys(view, place), _BATCH_ROWS if rest is None else _GENTLE_ROWS
        with self._answering("does not take writes") as client:
            for start in range(0, len(ids), size):
                batch = rows.slice(start, size)
                with client.pipeline(transaction=False) as pipe:
                    for entity, row in zip(ids[start : start + size], encoded(view, batch, as_of), strict=True):
                        pipe.hset(keys.key(entity), mapping=row)
                    began = time.monotonic()
                    pipe.execute()
                time.sleep((time.monotonic() - began) * (rest or 0.0))

    def read(self, view: FeatureView, place: str, ids: Sequence[str]) -> list[OnlineRow | None]:
        """Read feature rows in one round trip; None where the key was never written.

        Raises:
            TransientError: Redis is away.
        """
        if not ids:
            return []
        names = [field.name for field in view.features]
        keys = [_entity_key(view, place, entity) for entity in ids]
        with self._answering("does not answer"):
            found = self._store.online_read(self._repository, view, keys, names)
        return [_row(as_of, values) for as_of, values in found]

    def count(self, view: FeatureView, place: str, ids: Iterable[str]) -> int:
        """How many of these ids have a row, whatever is in it.

        Raises:
            TransientError: Redis is away.
        """
        with self._answering("does not answer") as client:
            return sum(client.exists(*keys) for keys in self._batches(view, place, ids))

    def delete(self, view: FeatureView, place: str, ids: Iterable[str]) -> int:
        """Remove rows; how many there were.

        Raises:
            TransientError: Redis is away.
        """
        with self._answering("does not take writes") as client:
            return sum(client.unlink(*keys) for keys in self._batches(view, place, ids))

    def ids(self, view: FeatureView, place: str) -> Iterator[str]:
        """The ids of all rows of a place, found by going through every key of the store.

        Raises:
            TransientError: Redis is away.
        """
        keys = self._keys(view, place)
        with self._answering("does not answer") as client:
            for key in client.scan_iter(match=keys.pattern, count=_BATCH_ROWS):
                entity = keys.entity(key)
                if entity is not None:
                    yield entity

    def _keys(self, view: FeatureView, place: str) -> RowKeys:
        return RowKeys(self._repository.project, view, place)

    def _batches(self, view: FeatureView, place: str, ids: Iterable[str]) -> Iterator[list[bytes]]:
        keys = map(self._keys(view, place).key, ids)
        while batch := list(islice(keys, _BATCH_ROWS)):
            yield batch

    @contextmanager
    def _answering(self, fault: str) -> Iterator[Any]:
        try:
            yield self._store._get_client(self._repository.online_store)
        except redis.RedisError as error:
            raise TransientError(f"the online feature store {fault}: {error}. Is Redis up?") from error


def _row(as_of: datetime | None, values: dict[str, Value] | None) -> OnlineRow | None:
    # Feast answers for a key that was never written with the epoch and empty values, not with nothing.
    if as_of is None or values is None or as_of.timestamp() == 0:
        return None
    return OnlineRow({name: feast_value_type_to_python_type(value) for name, value in values.items()}, as_of)


def _entity_key(view: FeatureView, place: str, entity: str) -> EntityKey:
    names = ["market", next(name for name in view.join_keys if name != "market")]
    return EntityKey(join_keys=names, entity_values=[Value(string_val=place), Value(string_val=entity)])
