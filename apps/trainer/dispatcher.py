"""Admits the weeks that were asked for: as many jobs at a time as the head can bear.

Markets of one cut-off share a job, and so a worker group. What has failed is tried again by itself, and not for ever.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.trainer.jobs import TrainerJobs
from apps.trainer.queue import Entry, WeekQueue
from apps.trainer.schedule import last_due
from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.base.redis_lock import Held

_LOOK_EVERY_S = 2.0
# While a store is away; a dispatcher that drains gives up after so many in a row, a scheduler never.
_WAIT_S, _MOST_FAULTS = 10.0, 60
# A scheduler waits for a dispatcher that is at work to end, whose queue may be long.
_PATIENCE_S = 7 * 86_400.0


@dataclass(frozen=True)
class Dispatcher:
    """The dispatcher of one environment."""

    environment: Environment
    queue: WeekQueue
    jobs: TrainerJobs
    notify: Callable[[str], None]

    def drain(self) -> None:
        """Admit weeks until none is left, if no other dispatcher is at work.

        Raises:
            TransientError: Redis or Ray is away for long.
        """
        faults = 0
        # Who adds a week and sees that a dispatcher is at work relies on its looking once more after it has let go.
        while True:
            try:
                if not self._is_wanted() or self.queue.is_dispatched():
                    return
                with self.queue.dispatching(patience_s=0.0) as held:
                    while self._is_wanted():
                        self._look(held)
                        faults = 0
            except TransientError as error:
                faults += 1
                if faults > _MOST_FAULTS:
                    raise
                self._wait_for_better(error)

    def schedule(self) -> None:
        """Ask for each market's week when it is due, and admit what was asked for; for as long as the process lives."""
        while True:
            try:
                with self.queue.dispatching(_PATIENCE_S) as held:
                    while True:
                        self.ask_for_due(datetime.now(UTC))
                        self._look(held)
            except TransientError as error:
                self._wait_for_better(error)

    def _wait_for_better(self, error: TransientError) -> None:
        self.notify(f"{error} Trying again in {_WAIT_S:g} s.")
        time.sleep(_WAIT_S)

    def ask_for_due(self, now: datetime) -> None:
        """Ask for the latest week of every market that is due: of weeks that were missed, one is caught up. In an
        environment that is not scheduled nothing is due.
        """
        if not self.environment.scheduled:
            return
        for name, market in self.environment.markets.items():
            due = last_due(market, now)
            if self.queue.add_once(name, due, now):
                self.notify(f"{name}: due since {due:%Y-%m-%d %H:%M} UTC")

    def _is_wanted(self) -> bool:
        return any(one.state in ("queued", "running") for one in self.queue.entries())

    def _look(self, held: Held) -> None:
        held.require("the dispatcher")
        self.tick(datetime.now(UTC))
        time.sleep(_LOOK_EVERY_S)

    def tick(self, now: datetime) -> None:
        """See which jobs have died, and submit as many as there is room for."""
        self.queue.forget_old(now)
        running: set[str] = set()
        for entry in self.queue.entries():
            if entry.state == "running":
                if (fault := self.jobs.fault(entry.job)) is None:
                    running.add(entry.job)
                else:
                    self._died(entry.key, fault, now)
        for _ in range(self.environment.trainer.jobs_at_once - len(running)):
            if batch := self._batch(now):
                self._submit(batch, now)
        self.queue.tell()

    def _died(self, key: str, fault: str, now: datetime) -> None:
        # Read again: the job may have said at its end what the week came to.
        entry = self.queue.find(key)
        if entry is not None and entry.state == "running":
            self.queue.put(entry.ended("failed", fault, self.environment.trainer, now))
            self.notify(f"{entry.market}: {fault}")

    def _batch(self, now: datetime) -> list[Entry]:
        """The weeks that the next job runs: who has waited longest, and who can go along."""
        entries = self.queue.entries()
        at_work = {one.market for one in entries if one.state == "running"}
        ready = [
            one
            for one in reversed(entries)
            if one.state == "queued" and one.not_before <= now.isoformat() and one.market not in at_work
        ]
        if not ready:
            return []
        first = ready[0]
        if first.attempts:
            return [first]
        together = {one.market: one for one in ready if one.as_of == first.as_of and not one.attempts}
        return list(together.values())[: self.environment.trainer.markets_per_job]

    def _submit(self, batch: list[Entry], now: datetime) -> None:
        markets, as_of = [one.market for one in batch], datetime.fromisoformat(batch[0].as_of)
        job = self.jobs.new_id(markets, as_of)
        # Before the job, which may have ended before it could be noted.
        for entry in batch:
            self.queue.put(entry.begun(job, now))
        try:
            self.jobs.run(job, markets, as_of)
        except TransientError:
            for entry in batch:
                self.queue.put(entry)
            raise
        self.notify(f"{', '.join(markets)}: running as {job}")
