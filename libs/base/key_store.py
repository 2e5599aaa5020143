"""Where API keys are kept: one Redis hash per environment, key id -> the stored key as JSON."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import cast

import msgspec
import redis

from libs.base.api_keys import FORMAT, ApiKey, Scope, mint
from libs.base.errors import DataError, TransientError
from libs.base.redis_url import connect
from libs.base.stored_format import require_readable

# A person waits for it. redis-py itself would wait for ever.
_TIMEOUT_S = 5.0


def redis_hash(environment: str) -> str:
    """The name of the hash that holds an environment's keys."""
    return f"fitwave:{environment}:api-keys"


def decode(key_id: str, value: bytes) -> ApiKey:
    """Read one stored entry.

    Raises:
        DataError: it is not one, or of a newer release.
    """
    try:
        key = msgspec.json.decode(value, type=ApiKey)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"the stored API key {key_id!r} is damaged: {error}. Delete it and create a new one."
        ) from error
    require_readable(key.format, FORMAT, f"the stored API key {key_id!r}", "Create it again with this release.")
    return key


class KeyStore:
    """Makes, lists and revokes keys. Every method raises TransientError if Redis is away."""

    def __init__(self, redis_url: str, environment: str) -> None:
        self._redis = connect(redis_url, _TIMEOUT_S)
        self._hash = redis_hash(environment)

    def create(self, markets: frozenset[str] | None, scopes: frozenset[Scope], name: str) -> tuple[str, str]:
        """Make and store a key, for all markets if `markets` is None; returns its id and its text, shown only now."""
        key, text = mint(name, markets, scopes)
        self._write(key)
        return key.key_id, text

    def revoke(self, key_id: str) -> ApiKey:
        """End a key's validity; gateways follow within a second. Revoking again changes nothing.

        Raises:
            DataError: there is no key of this id.
        """
        with _reachable():
            value = cast("bytes | None", self._redis.hget(self._hash, key_id))
        if value is None:
            raise DataError(f"no API key {key_id!r} in {self._hash}: `fitwave keys list` shows the ids")
        key = decode(key_id, value)
        if key.revoked_at is None:
            key = msgspec.structs.replace(key, revoked_at=datetime.now(UTC))
            self._write(key)
        return key

    def all_keys(self) -> list[ApiKey]:
        """Every key, also the revoked ones, oldest first.

        Raises:
            DataError: a stored entry is damaged.
        """
        with _reachable():
            entries = cast("Mapping[bytes, bytes]", self._redis.hgetall(self._hash))
        keys = [decode(key_id.decode(), value) for key_id, value in entries.items()]
        return sorted(keys, key=lambda key: (key.created_at, key.key_id))

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def _write(self, key: ApiKey) -> None:
        with _reachable():
            self._redis.hset(self._hash, key.key_id, msgspec.json.encode(key).decode())


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise TransientError(f"the API keys cannot be reached: {error}. Is Redis up? See `fitwave status`.") from error
