"""Sees to windows, canaries and promoted versions without a person, for as long as its process lives."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

from apps.shadow.guard import watch
from apps.shadow.promotion import settle
from apps.shadow.upkeep import keep_up
from libs.base.cluster_jobs import ClusterJobs
from libs.base.endpoints import resolve
from libs.base.environment import Environment, load_environment
from libs.base.errors import FitwaveError
from libs.models.lifecycle import Lifecycle

log = logging.getLogger(__name__)

MODULE, ROLE = "apps.shadow", "shadow-scheduler"

Notify = Callable[[str], None]


def look(lifecycle: Lifecycle, notify: Notify) -> int:
    """Guard all customers, then settle all windows and keep the pair logs up; how many markets could not be looked at.

    One that fails holds up no other.
    """
    failed = set()
    for act in (_guard, _settle):
        for market in sorted(lifecycle.environment.markets):
            try:
                act(lifecycle, market, notify)
            except FitwaveError as error:
                notify(f"{market}: not looked at: {error}")
                failed.add(market)
            except Exception:  # the job goes on: nobody else guards the others
                log.exception("market %s could not be looked at", market)
                failed.add(market)
    return len(failed)


def _guard(lifecycle: Lifecycle, market: str, notify: Notify) -> None:
    for line in watch(lifecycle, market).told():
        notify(f"{market}: {line}")


def _settle(lifecycle: Lifecycle, market: str, notify: Notify) -> None:
    settled = settle(lifecycle, market)
    if settled is not None:
        notify(f"{market}: {settled.verdict.decision}: {settled.verdict.reason}")
    keep_up(lifecycle, market)


class Scheduler:
    """Looks every few minutes and has promotions reviewed once a day, for as long as the process lives.

    The config is read anew for each look: a policy or a pin holds from then on.
    """

    def __init__(self, environment: str | None, notify: Notify) -> None:
        self._environment, self._notify = environment, notify
        self._reviewed: date | None = None

    def run(self) -> None:
        """Until stopped; a store that is away, or a config that cannot be read, is told and tried again."""
        while True:
            began, minutes = time.monotonic(), 1
            try:
                settings = load_environment(self._environment)
                minutes = settings.shadow.look_every_minutes
                self.turn(settings, datetime.now(UTC))
            except FitwaveError as error:
                self._notify(f"{error} Trying again in {minutes} min.")
            time.sleep(max(0.0, began + 60 * minutes - time.monotonic()))

    def turn(self, settings: Environment, now: datetime) -> None:
        """One look, and the day's review if it is due: a job of its own, for it takes its time, and a canary that fails
        does not wait.

        Raises:
            TransientError: the cluster is away.
        """
        endpoints = resolve(settings)
        look(Lifecycle.of(settings, endpoints), self._notify)
        if now.hour >= settings.shadow.review_hour and self._reviewed != now.date():
            jobs = ClusterJobs(settings, endpoints, MODULE)
            job = jobs.new_id("review")
            jobs.submit(job, ["review", "--all"], {})
            self._reviewed = now.date()
            self._notify(f"promotions are reviewed by {job}")
