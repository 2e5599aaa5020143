"""Which features of a market are live.

Each market has two sides online. Readers read the live one; a refresh fills the other and then makes it live in one
step, so that no request ever sees half of a refresh, and one that dies or is refused is never seen at all. The side
that was live before stays as it is until the next refresh: a reader that is a moment late still finds all of it.
"""

import hashlib
import json
import math
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import cast

from libs.base import redis_lock
from libs.base.errors import DataError, TransientError
from libs.base.redis_lock import Held, answering, hold
from libs.base.redis_url import connect
from libs.base.stored_format import decoding, numbered, values_of

SIDES = ("a", "b")
# Raised with each change of how a side is told, or of how its rows are laid out in the store.
_FORMAT = 2
_REMEDY = "Serve it with the release that refreshed it or a later one, or refresh the market again with this one."
WRITING = "writing"
# A refresh is noticed this late at most. Reading what is live costs a round trip, so a busy replica does not with each
# batch.
_LOOK_EVERY_S = 0.5
# A reader that looked just before, and took its time to read.
_SETTLED_S = 2 * _LOOK_EVERY_S + 1.0
_TIMEOUT_S = 2.0
# Sets a key that still has the value that was seen, or none.
_SWAP = """
if (redis.call('get', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2])
return 1
"""
# No weekly job takes longer from reading the lake to its refresh.
_LONGEST_RUN_S = 14 * 86_400
_CLOCKS_DIFFER_S = 60.0


@dataclass(frozen=True)
class Live:
    """A market's live side: the cut-off its features are of, when it was made live, and a stamp of its own."""

    market: str
    side: str
    stamp: str
    as_of: datetime
    since: datetime

    @classmethod
    def read(cls, stored: bytes) -> "Live":
        """What was stored.

        Raises:
            DataError: a newer release stored it, or it is damaged.
        """
        with decoding("what Redis has of a live market is damaged", _REMEDY):
            found = json.loads(stored)
            values = values_of(found, _FORMAT, f"what is live of market {found.get('market')!r} online", _REMEDY)
            return cls(**values | {name: datetime.fromisoformat(values[name]) for name in ("as_of", "since")})

    def stored(self) -> str:
        """What is stored of it."""
        return json.dumps(numbered(asdict(self), _FORMAT), default=datetime.isoformat)

    @property
    def place(self) -> str:
        """Where its rows stand in the online store."""
        return place(self.market, self.side)


def place(market: str, side: str) -> str:
    """Where the rows of a market's side stand in the online store; no market's name has an @."""
    return f"{market}@{side}"


class Sides:
    """The sides of one environment's markets, in Redis beside the features."""

    def __init__(
        self,
        redis_url: str,
        environment: str,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        # No second attempt: what is asked here is asked again by the next request.
        self._redis = connect(redis_url, timeout_s, retry=False)
        self._environment = environment
        self._clock = clock
        self._seen: dict[str, tuple[float, Live | None]] = {}

    def live(self, market: str) -> Live | None:
        """What is live, None before the first refresh.

        Raises:
            DataError: a newer release refreshed it.
            TransientError: Redis is away.
        """
        with answering():
            found = self._redis.get(self._key("live", market))
        if not isinstance(found, bytes):
            return None
        return Live.read(found)

    def wait_until_settled(self, live: Live) -> None:
        """Wait until nobody takes another side than this one for live."""
        since = (datetime.now(UTC) - live.since).total_seconds()
        time.sleep(min(max(0.0, _SETTLED_S - since), _SETTLED_S))

    def require_live(self, market: str) -> Live:
        """What is live.

        Raises:
            DataError: the market has never been refreshed.
            TransientError: Redis is away.
        """
        live = self.live(market)
        if live is None:
            raise DataError(f"market {market!r} has no features online yet: run its weekly job first")
        return live

    def seen(self, market: str) -> Live | None:
        """What is live, as it was half a second ago or later.

        Raises:
            TransientError: Redis is away.
        """
        now = self._clock()
        looked, live = self._seen.get(market, (None, None))
        if looked is None or now - looked >= _LOOK_EVERY_S:
            live = self.live(market)
            self._seen[market] = (now, live)
        return live

    def last_seen(self, market: str) -> Live | None:
        """What was live when somebody last looked, without asking Redis."""
        _, live = self._seen.get(market, (None, None))
        return live

    def make_live(self, market: str, side: str, as_of: datetime) -> Live:
        """Let readers read this side from now on.

        Raises:
            TransientError: features of a later cut-off are live by now, which stay so; or Redis is away.
        """
        made, key = Live(market, side, secrets.token_hex(8), as_of, datetime.now(UTC)), self._key("live", market)
        with answering():
            # Whoever stood still since it looked, and lost its lock, finds another than it saw.
            while True:
                before = cast("bytes | None", self._redis.get(key))
                if before is not None and (later := Live.read(before).as_of) > as_of:
                    raise TransientError(
                        f"market {market!r}: features of {later.isoformat()} have been made live meanwhile, and those "
                        f"of {as_of.isoformat()} are not"
                    )
                if self._redis.eval(_SWAP, 1, key, before or b"", made.stored()):
                    return made

    def contents(self, market: str, side: str) -> str | None:
        """The name of what a side holds; `WRITING` since a write began, None if nothing was ever written."""
        with answering():
            found = self._redis.get(self._key("contents", place(market, side)))
        return found.decode() if isinstance(found, bytes) else None

    def set_contents(self, market: str, side: str, name: str) -> None:
        """Say what a side holds, or that it is being written."""
        with answering():
            self._redis.set(self._key("contents", place(market, side)), name)

    def forget(self, market: str, customer_id: str) -> None:
        """Let no refresh bring this customer back whose data were read before now; kept as a digest, for a while.

        Raises:
            TransientError: Redis is away.
        """
        key = self._key("forgotten", market)
        with answering():
            self._redis.zadd(key, {digest_of(customer_id): time.time()})
            self._redis.expire(key, _LONGEST_RUN_S)

    def forgotten_since(self, market: str, moment: datetime) -> set[str]:
        """The digests of the customers who were forgotten after this moment, or a little before it.

        Raises:
            TransientError: Redis is away.
        """
        with answering():
            found = self._redis.zrangebyscore(
                self._key("forgotten", market), moment.timestamp() - _CLOCKS_DIFFER_S, math.inf
            )
        return {digest.decode() for digest in found}  # type: ignore[union-attr]

    def refreshing(self, market: str) -> AbstractContextManager[Held]:
        """Be the only refresh of a market; one that died is waited for until it is forgotten.

        Raises:
            TransientError: another one is at work, or Redis is away.
        """
        busy = f"market {market!r}: another refresh is at work. Wait for it, then run this again."
        return hold(self._redis, self._key("refreshing", market), redis_lock.HELD_S + 1, busy)

    def _key(self, kind: str, name: str) -> str:
        return f"fitwave:{{{self._environment}}}:{kind}:{name}"


def digest_of(customer_id: str) -> str:
    """What stands for a customer who was forgotten."""
    return hashlib.sha256(customer_id.encode()).hexdigest()
