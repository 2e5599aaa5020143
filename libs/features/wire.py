"""A snapshot as bytes: what goes from one deployment to the next, and is opened only where it is used.

The columns go as three tables: an array each would cost more to write and read than to compute with.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import numpy as np

from libs.features.arrays import Floats, Indices
from libs.features.assembly import Requests
from libs.features.snapshot import HISTORY, SIZE_VALUES, VALUES, Snapshot


class _Wire(msgspec.Struct, array_like=True):
    known: list[int]
    sizes: list[list[str]]
    values: bytes
    size_values: bytes
    offsets: bytes
    history: bytes
    history_offsets: bytes
    chosen: bytes
    as_of: datetime | None
    store_away: bool = False


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Wire)


def pack(snapshot: Snapshot) -> bytes:
    """The snapshot as bytes; `unpack` gives it back bit for bit."""
    requests = snapshot.requests
    return _ENCODER.encode(
        _Wire(
            known=snapshot.known,
            sizes=snapshot.sizes,
            values=_table(requests.values, VALUES),
            size_values=_table(requests.size_values, SIZE_VALUES),
            offsets=requests.offsets.tobytes(),
            history=_table(requests.history, HISTORY),
            history_offsets=requests.history_offsets.tobytes(),
            chosen=requests.chosen.tobytes(),
            as_of=snapshot.as_of,
            store_away=snapshot.store_away,
        )
    )


def unpack(packed: bytes) -> Snapshot:
    """The snapshot that was packed; its arrays are read-only."""
    wire = _DECODER.decode(packed)
    return Snapshot(
        known=wire.known,
        requests=Requests(
            values=_columns(wire.values, VALUES),
            size_values=_columns(wire.size_values, SIZE_VALUES),
            offsets=_indices(wire.offsets),
            history=_columns(wire.history, HISTORY),
            history_offsets=_indices(wire.history_offsets),
            chosen=_indices(wire.chosen),
        ),
        sizes=wire.sizes,
        as_of=wire.as_of,
        store_away=wire.store_away,
    )


def _table(columns: Mapping[str, Floats], names: tuple[str, ...]) -> bytes:
    return np.stack([columns[name] for name in names]).tobytes()


def _columns(table: bytes, names: tuple[str, ...]) -> dict[str, Floats]:
    return dict(zip(names, np.frombuffer(table, dtype=np.float64).reshape(len(names), -1), strict=True))


def _indices(buffer: bytes) -> Indices:
    return np.frombuffer(buffer, dtype=np.int64)
