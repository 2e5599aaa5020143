"""A gateway replica's copy of the API keys, renewed in the background: no request waits for Redis."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from libs.base.api_keys import ApiKey, KeyRing
from libs.base.errors import DataError, TransientError
from libs.base.key_store import decode, redis_hash
from libs.base.redis_url import AWAY, connect_async
from libs.base.watch import Watch

log = logging.getLogger(__name__)

# A revoked key is to be refused within 1 s: the pause and a read that just succeeds stay below it together.
_PAUSE_S = 0.5
_READ_TIMEOUT_S = 0.4


class KeyReader:
    """Reads all keys of an environment from Redis."""

    def __init__(self, redis_url: str, environment: str) -> None:
        self._redis = connect_async(redis_url, _READ_TIMEOUT_S)
        self._hash = redis_hash(environment)
        self._entries: Mapping[bytes, bytes] = {}
        self._ring = KeyRing(())

    async def read(self) -> KeyRing:
        """The keys as they are now.

        Raises:
            TransientError: Redis is away, or too slow.
        """
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                entries = await cast("Awaitable[Mapping[bytes, bytes]]", self._redis.hgetall(self._hash))
        except AWAY as error:
            raise TransientError(f"the API keys cannot be read: {str(error) or type(error).__name__}") from error
        if entries != self._entries:  # decoding thousands of keys twice a second would be felt
            self._ring = KeyRing(_decode_readable(entries))
            self._entries = entries
        return self._ring

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()


def _decode_readable(entries: Mapping[bytes, bytes]) -> list[ApiKey]:
    """Leave out damaged entries: those keys are refused, and nobody else's suffer."""
    keys = []
    for key_id, value in entries.items():
        try:
            keys.append(decode(key_id.decode(errors="replace"), value))
        except DataError as error:
            log.warning("%s", error)
    return keys


class KeyWatch(Watch):
    """Renews the copy twice a second."""

    def __init__(self, read: Callable[[], Awaitable[KeyRing]]) -> None:
        super().__init__("Redis")
        self._read = read
        self._ring: KeyRing | None = None

    async def ring(self) -> KeyRing | None:
        """The latest copy; None until the store has answered once. Only the very first call waits, for one read."""
        self.begin()
        if not self._tried.is_set():
            await self._tried.wait()
        return self._ring

    async def _renew(self) -> None:
        self._ring = await self._read()

    async def _rest(self) -> None:
        await asyncio.sleep(_PAUSE_S)
