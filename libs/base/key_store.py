"""Where API keys are kept: one Redis hash per environment, key id -> the stored key as JSON.

Beside it is a list of what was done to them, written in the same transaction.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec
import redis

from libs.base.api_keys import FORMAT, ApiKey, Scope, end_of, mint
from libs.base.author import author
from libs.base.errors import DataError, TransientError
from libs.base.key_changes import Action, KeyChange, decode_change
from libs.base.redis_url import connect
from libs.base.stored_format import require_readable

T = TypeVar("T")

# A person waits for it. redis-py itself would wait for ever.
_TIMEOUT_S = 5.0


def redis_hash(environment: str) -> str:
    """The name of the hash that holds an environment's keys."""
    return f"fitwave:{environment}:api-keys"


def redis_changes(environment: str) -> str:
    """The name of the list of what was done to them. A Cluster chooses its slot by what is in braces: it is the hash's,
    as one transaction needs it.
    """
    return f"fitwave:{environment}:api-key-changes:{{{redis_hash(environment)}}}"


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
    """Makes, rotates, lists and revokes keys. Every method raises TransientError if Redis is away."""

    def __init__(self, redis_url: str, environment: str) -> None:
        self._redis = connect(redis_url, _TIMEOUT_S)
        self._hash, self._changes = redis_hash(environment), redis_changes(environment)

    def create(
        self, markets: frozenset[str] | None, scopes: frozenset[Scope], name: str, lasts: timedelta | None = None
    ) -> tuple[str, str]:
        """Make and store a key, for all markets if `markets` is None; returns its id and its text, shown only now.

        Raises:
            DataError: no key lasts so long.
        """
        key, text = mint(name, markets, scopes, lasts)
        self._transact(lambda pipe: self._write(pipe, ("create", key)))
        return key.key_id, text

    def rotate(self, key_id: str, keep: timedelta) -> tuple[ApiKey, str]:
        """Make a key for the same use, which lasts as long as this one was made for; this one is refused after `keep`.

        Returns this one, and the text of the other, shown only now.

        Raises:
            DataError: there is no key of this id, it is not valid any more or has been rotated before, or no key is
                kept for so long.
        """

        def change(pipe: Any) -> tuple[ApiKey, str]:
            old, now = self._find(pipe, key_id), datetime.now(UTC)
            if ended := old.ended(now):
                raise DataError(f"the API key {key_id!r} is {ended}: make one with `fitwave keys create`")
            if old.followed_by is not None:
                raise DataError(
                    f"the API key {key_id!r} has been rotated: {old.followed_by} follows it. Rotate that one"
                )
            lasts = None if old.expires_at is None else old.expires_at - old.created_at
            new, text = mint(old.name, old.markets, old.scopes, lasts)
            until = min(end_of(keep, now), old.expires_at or datetime.max.replace(tzinfo=UTC))
            old = msgspec.structs.replace(old, expires_at=until, followed_by=new.key_id, format=FORMAT)
            self._write(pipe, ("create", new), ("rotate", old))
            return old, text

        return self._transact(change)

    def revoke(self, key_id: str) -> ApiKey:
        """End a key's validity; gateways follow within a second. Revoking again changes nothing.

        Raises:
            DataError: there is no key of this id.
        """

        def change(pipe: Any) -> ApiKey:
            key = self._find(pipe, key_id)
            if key.revoked_at is None:
                key = msgspec.structs.replace(key, revoked_at=datetime.now(UTC), format=FORMAT)
                self._write(pipe, ("revoke", key))
            return key

        return self._transact(change)

    def all_keys(self) -> list[ApiKey]:
        """Every key, also the revoked ones, oldest first.

        Raises:
            DataError: a stored entry is damaged.
        """
        with _reachable():
            entries = cast("Mapping[bytes, bytes]", self._redis.hgetall(self._hash))
        keys = [decode(key_id.decode(), value) for key_id, value in entries.items()]
        return sorted(keys, key=lambda key: (key.created_at, key.key_id))

    def changes(self) -> list[KeyChange]:
        """What was done to the keys, oldest first.

        Raises:
            DataError: a stored entry is damaged.
        """
        with _reachable():
            entries = cast("list[bytes]", self._redis.lrange(self._changes, 0, -1))
        return [decode_change(entry) for entry in entries]

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def _transact(self, change: Callable[[Any], T]) -> T:
        """Have a change of the keys made whole; one that somebody else was faster than is decided again."""
        with _reachable():
            transaction: Callable[..., Any] = self._redis.transaction
            return cast("T", transaction(change, self._hash, value_from_callable=True))

    def _find(self, pipe: Any, key_id: str) -> ApiKey:
        value = cast("bytes | None", pipe.hget(self._hash, key_id))
        if value is None:
            raise DataError(f"no API key {key_id!r} in {self._hash}: `fitwave keys list` shows the ids")
        return decode(key_id, value)

    def _write(self, pipe: Any, *changes: tuple[Action, ApiKey]) -> None:
        by, at = author(), datetime.now(UTC)
        pipe.multi()
        for action, key in changes:
            pipe.hset(self._hash, key.key_id, msgspec.json.encode(key).decode())
            pipe.rpush(self._changes, msgspec.json.encode(KeyChange.of(key, action, by, at)).decode())


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise TransientError(f"the API keys cannot be reached: {error}. Is Redis up? See `fitwave status`.") from error
