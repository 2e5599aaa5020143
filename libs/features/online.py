"""The online store: rows written and read by key, through Feast's Redis store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import redis
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import feast_value_type_to_python_type, python_values_to_proto_values

from libs.base.errors import TransientError


@dataclass(frozen=True)
class OnlineRow:
    """One entity's features, and when the newest of them was taken."""

    values: dict[str, Any]
    as_of: datetime


class OnlineStore:
    """Reads and writes one environment's feature rows.

    `RedisOnlineStore` is used directly, and not `FeatureStore.get_online_features`: it tells a key that was never
    written from one whose features are null, gives the time of the features, and builds no response object.
    """

    def __init__(self, repository: RepoConfig) -> None:
        self._repository = repository
        self._store = RedisOnlineStore()

    def write(self, view: FeatureView, market: str, ids: Sequence[str], rows: pl.DataFrame, as_of: datetime) -> None:
        """Write feature rows; an older refresh never overwrites a newer one.

        Shape: ids (n), rows (n, features of the view).

        Raises:
            TransientError: Redis is away.
        """
        columns = [
            python_values_to_proto_values(rows[field.name].to_list(), field.dtype.to_value_type())
            for field in view.features
        ]
        names = [field.name for field in view.features]
        stamp = _stamp(as_of, datetime.now(UTC))
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]] = [
            (_key(view, market, entity), dict(zip(names, values, strict=True)), stamp, None)
            for entity, *values in zip(ids, *columns, strict=True)
        ]
        try:
            self._store.online_write_batch(self._repository, view, data, None)
        except redis.RedisError as error:
            raise TransientError(f"the online feature store does not take writes: {error}. Is Redis up?") from error

    def read(self, view: FeatureView, market: str, ids: Sequence[str]) -> list[OnlineRow | None]:
        """Read feature rows in one round trip; None where the key was never written.

        Raises:
            TransientError: Redis is away.
        """
        if not ids:
            return []
        names = [field.name for field in view.features]
        try:
            found = self._store.online_read(
                self._repository, view, [_key(view, market, entity) for entity in ids], names
            )
        except redis.RedisError as error:
            raise TransientError(f"the online feature store does not answer: {error}. Is Redis up?") from error
        return [_row(as_of, values) for as_of, values in found]


def _row(as_of: datetime | None, values: dict[str, Value] | None) -> OnlineRow | None:
    # Feast answers for a key that was never written with the epoch and empty values, not with nothing.
    if as_of is None or values is None or as_of.timestamp() == 0:
        return None
    return OnlineRow({name: feast_value_type_to_python_type(value) for name, value in values.items()}, as_of)


def _key(view: FeatureView, market: str, entity: str) -> EntityKey:
    names = ["market", next(name for name in view.join_keys if name != "market")]
    return EntityKey(join_keys=names, entity_values=[Value(string_val=market), Value(string_val=entity)])


def _stamp(as_of: datetime, now: datetime) -> datetime:
    """The cut-off, and one microsecond for each second since: Feast keeps the newest stamp, so a second refresh of
    the same week wins over the first, and one of an earlier week over neither.
    """
    return as_of + timedelta(microseconds=max(0, int((now - as_of).total_seconds())))
