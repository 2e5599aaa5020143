"""Feast, imported without its run-time type checks: everything here that uses Feast imports it from this module.

Feast has typeguard recompile every method of its classes, so that arguments are checked when it is called. The source
of a whole module is parsed again for each method: three quarters of the CPU-seconds that importing Feast takes, in
every replica, job, command and worker that touches features. How it is called here is tested.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typeguard

Checked = TypeVar("Checked", bound=Callable[..., Any])


def _as_it_is(target: Checked) -> Checked:
    return target


@contextmanager
def _unchecked() -> Iterator[None]:
    """Meanwhile typeguard's decorator does nothing, as under `python -O`; others may rely on it before and after."""
    checked = typeguard.typechecked
    typeguard.typechecked = _as_it_is  # type: ignore[assignment]  # it has overloads, which no stand-in needs
    try:
        yield
    finally:
        typeguard.typechecked = checked


with _unchecked():
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.infra.online_stores.helpers import _mmh3
    from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig, RedisType
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Int64List, Value
    from feast.type_map import feast_value_type_to_python_type
    from feast.types import Array, FeastType, Float64, Int64, String

__all__ = [
    "Array",
    "Entity",
    "EntityKey",
    "FeastType",
    "FeatureStore",
    "FeatureView",
    "Field",
    "FileSource",
    "Float64",
    "Int64",
    "Int64List",
    "RedisOnlineStore",
    "RedisOnlineStoreConfig",
    "RedisType",
    "RepoConfig",
    "String",
    "Value",
    "ValueType",
    "_mmh3",
    "feast_value_type_to_python_type",
    "serialize_entity_key",
]
