"""What sees to windows, canaries and promoted versions without a person, and the same for other schedulers to read."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from apps.shadow.guard import watch
from apps.shadow.promotion import settle
from apps.shadow.upkeep import keep_up
from libs.base.cluster_jobs import ClusterJobs
from libs.base.cron_jobs import cron_job
from libs.base.endpoints import resolve
from libs.base.environment import Environment, load_environment
from libs.base.errors import FitwaveError
from libs.models.lifecycle import Lifecycle

MODULE, SCHEDULER = "apps.shadow", "shadow-scheduler"
_LOOK, _REVIEW = ("shadow", "schedule", "look"), ("shadow", "review", "--all")
# A look that was missed is made up for by the next one, a review by the next day's.
_CATCH_UP_LOOK_S, _CATCH_UP_REVIEW_S = 300, 6 * 3600

Notify = Callable[[str], None]


def look(lifecycle: Lifecycle, notify: Notify) -> int:
    """Guard every market's customers, settle its window and keep its pair log up; how many markets could not be.

    What was promoted or is in a canary comes first: that is the one that cannot wait.
    """
    failed = 0
    for market in sorted(lifecycle.environment.markets):
        try:
            for line in watch(lifecycle, market).told():
                notify(f"{market}: {line}")
            settled = settle(lifecycle, market)
            if settled is not None:
                notify(f"{market}: {settled.verdict.decision}: {settled.verdict.reason}")
            keep_up(lifecycle, market)
        except FitwaveError as error:
            notify(f"{market}: not looked at: {error}")
            failed += 1
    return failed


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
            jobs.submit(job, _REVIEW[1:], {})
            self._reviewed = now.date()
            self._notify(f"promotions are reviewed by {job}")


def crontab(environment: Environment, command: str) -> str:
    """Entries for cron: a look every few minutes, a review a day."""
    named = ["--environment", environment.name]
    entries = ((_every(environment), _LOOK), (_daily(environment), _REVIEW))
    lines = [f"{when} {' '.join([command, *what, *named])}\n" for when, what in entries]
    return "".join(["CRON_TZ=UTC\n", *lines])


def cron_jobs(environment: Environment, image: str) -> list[dict[str, Any]]:
    """The same as Kubernetes CronJobs."""
    named = ["--environment", environment.name]
    return [
        cron_job(environment, name, when, "Etc/UTC", image, [*what, *named], catch_up_s)
        for name, when, what, catch_up_s in (
            ("shadow-look", _every(environment), _LOOK, _CATCH_UP_LOOK_S),
            ("shadow-review", _daily(environment), _REVIEW, _CATCH_UP_REVIEW_S),
        )
    ]


def _every(environment: Environment) -> str:
    return f"*/{environment.shadow.look_every_minutes} * * * *"


def _daily(environment: Environment) -> str:
    return f"0 {environment.shadow.review_hour} * * *"
