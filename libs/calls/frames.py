"""What goes over the wire of a direct call: frames of a length, a kind, the call's number, and MessagePack.

Nothing is unpickled: arguments and results are decoded as the types that their `Method` names.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from libs.base.errors import DataError, FitwaveError, InvariantError, TransientError

R = TypeVar("R")

_HEADER = struct.Struct("<IBI")
# Far above any batch; a length beyond it is no frame of ours.
_MAX_BYTES = 256 * 1024 * 1024


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 0
    CALL = 1
    CANCEL = 2
    ANSWER = 3
    FAILURE = 4


class Busy(TransientError):
    """The replica has as many calls as it takes. Asking again at once makes it worse."""


class CalledFailed(Exception):
    """A bug in the deployment that was called; its log has the traceback."""


_ENCODER = msgspec.msgpack.Encoder()


@dataclass(frozen=True)
class Method(Generic[R]):
    """A method of a deployment: `arguments` is the tuple of its arguments' types, `result` the type it returns."""

    name: str
    arguments: Any
    result: type[R]

    @cached_property
    def _call(self) -> "msgspec.msgpack.Decoder[Any]":
        return msgspec.msgpack.Decoder(self.arguments)

    @cached_property
    def _answer(self) -> "msgspec.msgpack.Decoder[R]":
        return msgspec.msgpack.Decoder(self.result)

    def decode_arguments(self, payload: bytes) -> tuple[Any, ...]:
        """Raises: msgspec.MsgspecError: these are not this method's arguments."""
        arguments: tuple[Any, ...] = self._call.decode(payload)
        return arguments

    def decode_result(self, payload: bytes) -> R:
        """Raises: msgspec.MsgspecError: this is not what this method returns."""
        return self._answer.decode(payload)


class _Call(msgspec.Struct, array_like=True):
    method: str
    arguments: msgspec.Raw
    traceparent: str = ""


_CALL = msgspec.msgpack.Decoder(_Call)


def frame(kind: Kind, number: int, payload: bytes = b"") -> bytes:
    """One frame, ready to be sent."""
    return _HEADER.pack(len(payload), kind, number) + payload


def encode(value: Any) -> bytes:
    """A result as a payload."""
    return _ENCODER.encode(value)


def encode_call(method: Method[Any], arguments: tuple[Any, ...], traceparent: str = "") -> bytes:
    """A call as a payload; `traceparent` is the span it is made in, if it is traced."""
    return _ENCODER.encode((method.name, arguments, traceparent) if traceparent else (method.name, arguments))


def decode_call(payload: bytes) -> tuple[str, bytes, str]:
    """The method's name, its arguments for `Method.decode_arguments`, and the span that it was called in, if any."""
    call = _CALL.decode(payload)
    return call.method, bytes(call.arguments), call.traceparent


class Frames:
    """Takes bytes as they arrive and gives the frames that they complete."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[tuple[Kind, int, bytes]]:
        """The frames that are whole now, in order.

        Raises:
            ValueError: this is not what `frame` makes; the connection is of no use any more.
        """
        data = self._left + data
        start = 0
        while len(data) - start >= _HEADER.size:
            length, kind, number = _HEADER.unpack_from(data, start)
            if length > _MAX_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            end = start + _HEADER.size + length
            if len(data) < end:
                break
            yield Kind(kind), number, data[start + _HEADER.size : end]
            start = end
        self._left = data[start:]


_RAISED: tuple[tuple[str, type[Exception]], ...] = (
    ("busy", Busy),
    ("data", DataError),
    ("transient", TransientError),
    ("invariant", InvariantError),
)


def encode_failure(error: Exception) -> bytes:
    """An error as a payload; of one that is not Fitwave's own only the name and text travel."""
    if not isinstance(error, FitwaveError):
        return _ENCODER.encode(("bug", f"{type(error).__name__}: {error}"))
    kind = next(name for name, raised in _RAISED if isinstance(error, raised))
    return _ENCODER.encode((kind, str(error)))


def decode_failure(payload: bytes) -> Exception:
    """The error, to be raised."""
    kind, text = msgspec.msgpack.decode(payload, type=tuple[str, str])
    return dict(_RAISED).get(kind, CalledFailed)(text)
