"""How often a key may ask in a minute, counted in Redis for all gateway replicas together.

Windows are whole minutes of the clock. A replica takes leases of a window: it adds so many requests to the window's
count at once, and what fits below the limit is its own to admit. Whoever else takes, no more than the limit is ever
granted. What a replica has taken and does not use by the end of the minute, nobody can: at most a hundredth of the
limit.

Our own, because a library's hit grants all or nothing, which makes it one round trip for every request.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from libs.base.errors import TransientError
from libs.base.redis_url import AWAY, connect_async

log = logging.getLogger(__name__)

WINDOW_S = 60
# A window's count outlives it, for replicas whose clocks are behind.
_KEPT_S = 2 * WINDOW_S
_TIMEOUT_S = 0.1
# Leases grow until one lasts this long: ten round trips a second are nothing to either side.
_LEASE_S = 0.1
# Nor may a replica hold more than this share of a limit that others could use.
_LARGEST_SHARE = 100
# How long Redis is left alone after it did not answer.
_AWAY_S = 3.0

# Adds to the count of a window, and returns what it is then.
Count = Callable[[str, int, int], Awaitable[int]]


class RateCounts:
    """An environment's counts, in Redis: one for each key and window."""

    def __init__(self, redis_url: str, environment: str) -> None:
        self._redis = connect_async(redis_url, _TIMEOUT_S)
        self._environment = environment

    async def add(self, key_id: str, window: int, requests: int) -> int:
        """Count requests of a key; the count with them.

        Raises:
            TransientError: Redis is away, or too slow. It may have counted them.
        """
        # Without braces, which would put the counts of all keys on one node of a Cluster.
        name = f"fitwave:{self._environment}:rate:{key_id}:{window}"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                # In this order no count is ever without its end, wherever the connection breaks.
                calls = self._redis.pipeline(transaction=False)
                calls.set(name, 0, ex=_KEPT_S, nx=True)
                calls.incrby(name, requests)
                _, total = await calls.execute()
        except AWAY as error:
            raise TransientError(f"rates cannot be counted: {str(error) or type(error).__name__}") from error
        return cast("int", total)

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()


@dataclass(frozen=True)
class Standing:
    """How a key stands once a request is counted: whether that one may go on, how many more may within `reset_s`."""

    admitted: bool
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """As in draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"key";r={self.remaining};t={self.reset_s}',
        }


@dataclass
class _Share:
    """What this replica has of one key's window: `taken` of it in all, and `left` of that."""

    taken: int = 0
    left: int = 0
    # Of the limit, when Redis was last asked, for whoever takes it first.
    untaken: int = 0
    is_spent: bool = False
    waiting: int = 0
    lease: int = 1
    leased_at: float = -math.inf
    taking: asyncio.Task[None] | None = None


class RateLimit:
    """Admits no more requests of a key than the limit, in each minute.

    NOTE: While Redis is away or slow, for three seconds after each time that it was, this replica counts alone: n
    replicas together then admit up to n times the limit, each no more than the limit. The same holds of a minute
    whose counts Redis has lost.
    """

    def __init__(self, count: Count, per_minute: int) -> None:
        self._count = count
        self._limit = per_minute
        self._window = 0
        # Of this window alone, so that it has no more entries than keys that have asked within a minute.
        self._shares: dict[str, _Share] = {}
        self._is_away = False
        self._alone_until = -math.inf

    async def ask(self, key_id: str) -> Standing:
        """Count a request of a key."""
        while True:
            now = time.time()
            share = self._share(key_id, int(now // WINDOW_S))
            if share.left or share.is_spent:
                break
            await self._lease(key_id, share)
        admitted = share.left > 0
        share.left -= admitted
        reset_s = WINDOW_S - int(now % WINDOW_S)
        return Standing(admitted, self._limit, share.untaken + share.left, reset_s)

    def _share(self, key_id: str, window: int) -> _Share:
        if window != self._window:
            self._window, self._shares = window, {}
        share = self._shares.get(key_id)
        if share is None:
            share = self._shares[key_id] = _Share()
        return share

    async def _lease(self, key_id: str, share: _Share) -> None:
        """Wait for a lease; all who wait for it at the same time share one call."""
        if share.taking is None:
            share.taking = asyncio.create_task(self._take(key_id, self._window, share))
        share.waiting += 1
        try:
            # A caller that goes away does not take the lease from the others.
            await asyncio.shield(share.taking)
        finally:
            share.waiting -= 1

    async def _take(self, key_id: str, window: int, share: _Share) -> None:
        try:
            wanted = max(share.waiting, self._next_lease(share))
            share.lease, share.leased_at = wanted, time.monotonic()
            total = await self._counted(key_id, window, wanted)
            before = share.taken if total is None else max(share.taken, total - wanted)
            granted = grant(self._limit, before, wanted)
            share.taken += granted
            share.left += granted
            share.untaken = max(0, self._limit - before - wanted)
            share.is_spent = share.untaken == 0
        finally:
            share.taking = None

    def _next_lease(self, share: _Share) -> int:
        """As many as a lease's time will need, judged by the last one: twice as many at most, one of a slow key."""
        lasted_s = time.monotonic() - share.leased_at
        needed = 2 * share.lease if lasted_s < _LEASE_S else int(share.lease * _LEASE_S / lasted_s)
        return max(1, min(needed, self._limit // _LARGEST_SHARE))

    async def _counted(self, key_id: str, window: int, requests: int) -> int | None:
        """The count with these; None while Redis is away."""
        now = time.monotonic()
        if now < self._alone_until:
            return None
        if self._is_away:  # one request looks whether it is back, and no other waits for that
            self._alone_until = now + _AWAY_S
        try:
            total = await self._count(key_id, window, requests)
        except TransientError as error:
            if not self._is_away:  # once per outage
                log.warning("%s; until they can, each gateway replica holds the limits by itself", error)
            self._is_away, self._alone_until = True, time.monotonic() + _AWAY_S
            return None
        if self._is_away:
            log.info("rates are counted for all gateway replicas together again")
        self._is_away, self._alone_until = False, -math.inf
        return total


def grant(limit: int, before: int, wanted: int) -> int:
    """What is granted of so many, when so many were taken before."""
    return min(max(limit - before, 0), wanted)
