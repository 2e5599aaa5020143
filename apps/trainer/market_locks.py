"""One run of a market at a time: whoever works on a market's week holds its lock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.redis_lock import Held, answering, hold
from libs.base.redis_url import connect

# The week of the largest market takes less.
_PATIENCE_S = 6 * 3600.0
_REDIS_TIMEOUT_S = 5.0


class MarketLocks:
    """The locks of one environment's markets. `notify` is told who is waited for."""

    def __init__(self, environment: Environment, endpoints: Endpoints, notify: Callable[[str], None]) -> None:
        self._environment = environment
        self._redis = connect(endpoints.redis_url, _REDIS_TIMEOUT_S)
        self._notify = notify

    def busy(self, markets: Sequence[str]) -> list[str]:
        """The markets that somebody is at work on.

        Raises:
            TransientError: Redis is away.
        """
        with answering():
            return [market for market in markets if self._redis.exists(self._key(market))]

    @contextmanager
    def held(self, markets: Sequence[str]) -> Iterator[Mapping[str, Held]]:
        """Be the only one at work on these markets, once whoever is has ended.

        Raises:
            TransientError: Redis is away, or the other run does not end.
        """
        for market in self.busy(markets):
            self._notify(f"{market}: waiting for another run to end, or to be known to have died")
        with ExitStack() as stack:
            # Always in the same order, so that two runs never wait for each other.
            yield {market: stack.enter_context(self._hold(market)) for market in sorted(markets)}

    def _hold(self, market: str) -> AbstractContextManager[Held]:
        busy = f"another run of market {market!r} has been at work for {_PATIENCE_S / 3600:g} hours; look at its log"
        return hold(self._redis, self._key(market), _PATIENCE_S, busy)

    def _key(self, market: str) -> str:
        return f"fitwave:{{{self._environment.name}}}:week:{market}"
