"""The weeks that were asked for, and how far each is: one entry a market and cut-off, in the environment's Redis.

Whoever asks for a week puts it here and goes. The dispatcher admits it; the job that runs it says what it came to.
"""

import json
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, cast, get_args

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment, Trainer
from libs.base.metric_board import MetricBoard
from libs.base.metrics import WEEKS
from libs.base.redis_lock import Held, answering, hold
from libs.base.redis_url import connect
from libs.base.stored_format import decoding, numbered, values_of

_FORMAT = 2
_REMEDY = "Have it run by the release that queued it or a later one."

State = Literal["queued", "running", "done", "failed"]

_REDIS_TIMEOUT_S = 5.0
# What has ended is told for so long.
_TOLD = timedelta(days=60)


@dataclass(frozen=True)
class Entry:
    """One market's week. Moments are ISO 8601 in UTC; `attempts` counts how often it was begun."""

    market: str
    as_of: str
    queued_at: str
    state: State = "queued"
    attempts: int = 0
    not_before: str = ""
    job: str = ""
    started_at: str = ""
    ended_at: str = ""
    outcome: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        """No market's name has an @."""
        return f"{self.market}@{self.as_of}"

    @classmethod
    def read(cls, stored: bytes) -> "Entry":
        """An entry as it was stored.

        Raises:
            DataError: a newer release stored it, or it is damaged.
        """
        with decoding("a week in the queue is damaged", _REMEDY):
            values = json.loads(stored)
            what = f"the week {values.get('as_of')} of market {values.get('market')!r} in the queue"
            return cls(**values_of(values, _FORMAT, what, _REMEDY))

    def stored(self) -> str:
        """The entry as it is stored."""
        return json.dumps(numbered(asdict(self), _FORMAT))

    def begun(self, job: str, now: datetime) -> "Entry":
        """The week once a job has been submitted for it."""
        return replace(
            self, state="running", attempts=self.attempts + 1, job=job, started_at=now.isoformat(), ended_at=""
        )

    def ended(self, outcome: str, reason: str, trainer: Trainer, now: datetime) -> "Entry":
        """The week once its job has ended. What failed is queued again, later each time, until it is for good."""
        over = replace(self, ended_at=now.isoformat(), outcome=outcome, reason=reason)
        if outcome != "failed":
            return replace(over, state="done")
        if self.attempts > trainer.retries:
            return replace(over, state="failed")
        wait = timedelta(minutes=trainer.retry_minutes * 2 ** (self.attempts - 1))
        return replace(over, state="queued", not_before=(now + wait).isoformat())


class WeekQueue:
    """One environment's queue."""

    def __init__(self, environment: Environment, endpoints: Endpoints) -> None:
        self._redis = connect(endpoints.redis_url, _REDIS_TIMEOUT_S)
        self._weeks = f"fitwave:{{{environment.name}}}:weeks"
        self._dispatcher = f"fitwave:{{{environment.name}}}:dispatcher"
        self._trainer = environment.trainer
        self._board = MetricBoard(endpoints.redis_url, environment.name)

    def add(self, market: str, as_of: datetime, now: datetime) -> bool:
        """Ask for a week. One that waits or is being run is there already, which is said by false; one that has ended
        is asked for again.

        Raises:
            TransientError: Redis is away.
        """
        entry = _asked_for(market, as_of, now)
        found = self.find(entry.key)
        if found is not None and found.state in ("queued", "running"):
            return False
        self.put(entry)
        return True

    def add_once(self, market: str, as_of: datetime, now: datetime) -> bool:
        """Ask for a week that has never been asked for; false when it has.

        Raises:
            TransientError: Redis is away.
        """
        entry = _asked_for(market, as_of, now)
        with answering():
            return bool(self._redis.hsetnx(self._weeks, entry.key, entry.stored()))

    def entries(self) -> list[Entry]:
        """All of them, the latest first.

        Raises:
            TransientError: Redis is away.
        """
        with answering():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(self._weeks))
        entries = [Entry.read(value) for value in found.values()]
        return sorted(entries, key=lambda one: (one.queued_at, one.market), reverse=True)

    def find(self, key: str) -> Entry | None:
        """The entry of this key, if there is one."""
        with answering():
            found = self._redis.hget(self._weeks, key)
        return Entry.read(found) if isinstance(found, bytes) else None

    def put(self, entry: Entry) -> None:
        """Write an entry."""
        with answering():
            self._redis.hset(self._weeks, entry.key, entry.stored())

    def end(self, market: str, as_of: datetime, outcome: str, reason: str) -> None:
        """Say what a week that was being run came to."""
        found = self.find(_asked_for(market, as_of, as_of).key)
        if found is not None and found.state == "running":
            self.put(found.ended(outcome, reason, self._trainer, datetime.now(UTC)))
            self.tell()

    def tell(self) -> None:
        """Say in the metrics how many weeks are how far."""
        counts = Counter(entry.state for entry in self.entries())
        self._board.keep_each(WEEKS, {state: counts[state] for state in get_args(State)})

    def forget_old(self, now: datetime) -> None:
        """Remove what ended long ago."""
        for entry in self.entries():
            if entry.state in ("done", "failed") and datetime.fromisoformat(entry.ended_at) < now - _TOLD:
                self.remove(entry)

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        with answering():
            self._redis.hdel(self._weeks, entry.key)

    def is_dispatched(self) -> bool:
        """Whether a dispatcher is at work."""
        with answering():
            return bool(self._redis.exists(self._dispatcher))

    def dispatching(self, patience_s: float) -> AbstractContextManager[Held]:
        """Be the only dispatcher.

        Raises:
            TransientError: another is at work, or Redis is away.
        """
        return hold(self._redis, self._dispatcher, patience_s, "another dispatcher is at work")


def _asked_for(market: str, as_of: datetime, now: datetime) -> Entry:
    return Entry(market, as_of.astimezone(UTC).isoformat(), now.isoformat())
