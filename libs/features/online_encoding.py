"""Feature rows as Feast's Redis store lays them out, made column by column.

Feast's own writer makes a key and a message object for every value of every row, which takes 120 us of CPU a row; the
same bytes made by column take a quarter of it. That they are the same is tested against Feast's reader and writer.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from feast import FeatureView, ValueType
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, StringList, Value
from google.protobuf.timestamp_pb2 import Timestamp

_KEY_VERSION = 3
# An id that no entity has: where it stands in a key, every other id may stand.
_MARKER = "\x00an id\x00"

_ENCODERS: dict[ValueType, Callable[[Any], bytes]] = {
    ValueType.STRING: lambda value: Value(string_val=value).SerializeToString(),
    ValueType.INT64: lambda value: Value(int64_val=value).SerializeToString(),
    ValueType.DOUBLE: lambda value: Value(double_val=value).SerializeToString(),
    ValueType.STRING_LIST: lambda value: Value(string_list_val=StringList(val=value)).SerializeToString(),
    ValueType.INT64_LIST: lambda value: Value(int64_list_val=Int64List(val=value)).SerializeToString(),
    ValueType.DOUBLE_LIST: lambda value: Value(double_list_val=DoubleList(val=value)).SerializeToString(),
}


class RowKeys:
    """The Redis keys of one view's rows in one place."""

    def __init__(self, project: str, view: FeatureView, place: str) -> None:
        entity = next(name for name in view.join_keys if name != "market")
        values = [Value(string_val=place), Value(string_val=_MARKER)]
        whole = serialize_entity_key(EntityKey(join_keys=["market", entity], entity_values=values), _KEY_VERSION)
        at = whole.index(_MARKER.encode())
        # Before each value stands its length.
        self._head = whole[: at - 4]
        self._tail = whole[at + len(_MARKER) :] + project.encode()

    def key(self, entity: str) -> bytes:
        """The key of one entity's row."""
        name = entity.encode()
        return self._head + struct.pack("<I", len(name)) + name + self._tail

    def entity(self, key: bytes) -> str | None:
        """The entity whose row has this key; None if it is of another view or place."""
        if not (key.startswith(self._head) and key.endswith(self._tail)):
            return None
        name = key[len(self._head) + 4 : len(key) - len(self._tail)]
        return name.decode() if self.key(name.decode(errors="replace")) == key else None

    @property
    def pattern(self) -> bytes:
        """A pattern that every key of the view in this place matches, and few others do."""
        special = b"*?[]\\^-"
        escaped = (bytes([b"\\"[0], byte]) if byte in special else bytes([byte]) for byte in self._tail)
        return b"*" + b"".join(escaped)


def encoded(view: FeatureView, rows: pl.DataFrame, as_of: datetime) -> Iterator[dict[bytes, bytes]]:
    """The hash of each row: its features, and the moment they are of."""
    stamp = Timestamp()
    stamp.FromDatetime(as_of)
    fields = [f"_ts:{view.name}".encode(), *(_mmh3(f"{view.name}:{field.name}") for field in view.features)]
    columns = [_column(field.dtype.to_value_type(), rows[field.name].to_list()) for field in view.features]
    moment = stamp.SerializeToString()
    for values in zip(*columns, strict=True):
        yield dict(zip(fields, (moment, *values), strict=True))


def _column(kind: ValueType, values: Sequence[Any]) -> list[bytes]:
    encode = _ENCODERS[kind]
    # Nothing is written for what is not known, be it null or not a number.
    return [b"" if value is None or value != value else encode(value) for value in values]
