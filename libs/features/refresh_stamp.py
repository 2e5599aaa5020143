"""Which refresh a market's online features are of: what is kept of them is good until the next one."""

import secrets
import time
from collections.abc import Callable

import redis

from libs.base.errors import TransientError

# A refresh is noticed this late at most. Reading the stamp costs a round trip, so a busy replica does not with each
# batch.
_LOOK_EVERY_S = 0.5
_TIMEOUT_S = 2.0


class RefreshStamps:
    """The stamps of one environment, in Redis beside the features."""

    def __init__(self, redis_url: str, environment: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._environment = environment
        self._clock = clock
        self._seen: dict[str, tuple[float, str]] = {}

    def renew(self, market: str) -> None:
        """Say that the market's features are new, once all of them are written.

        Raises:
            TransientError: Redis is away.
        """
        try:
            self._redis.set(self._key(market), secrets.token_hex(8))
        except redis.RedisError as error:
            raise _away(error) from error

    def read(self, market: str) -> str:
        """The stamp of the market's latest refresh, as it was half a second ago or later.

        Raises:
            TransientError: Redis is away.
        """
        now = self._clock()
        looked, stamp = self._seen.get(market, (None, ""))
        if looked is None or now - looked >= _LOOK_EVERY_S:
            try:
                found = self._redis.get(self._key(market))
            except redis.RedisError as error:
                raise _away(error) from error
            stamp = found.decode() if isinstance(found, bytes) else ""
            self._seen[market] = (now, stamp)
        return stamp

    def _key(self, market: str) -> str:
        return f"fitwave:{{{self._environment}}}:refreshed:{market}"


def _away(error: redis.RedisError) -> TransientError:
    return TransientError(f"the online feature store does not answer: {error}. Is Redis up?")
