"""What cron or Kubernetes are told so that windows, canaries and promoted versions are seen to without a person."""

from typing import Any

from libs.base.cron_jobs import cron_job
from libs.base.environment import Environment

_LOOK, _REVIEW = ("shadow", "schedule", "look"), ("shadow", "review", "--all")
# A look that was missed is made up for by the next one, a review by the next day's.
_CATCH_UP_LOOK_S, _CATCH_UP_REVIEW_S = 300, 6 * 3600


def crontab(environment: Environment, command: str) -> str:
    """Entries for cron: a look every few minutes, a review a day; none where the environment is not scheduled."""
    lines = [f"{when} {' '.join([command, *what])}\n" for _, when, what, _ in _entries(environment)]
    return "".join(["CRON_TZ=UTC\n", *lines]) if lines else ""


def cron_jobs(environment: Environment, image: str) -> list[dict[str, Any]]:
    """The same as Kubernetes CronJobs."""
    return [
        cron_job(environment, name, when, "Etc/UTC", image, what, catch_up_s)
        for name, when, what, catch_up_s in _entries(environment)
    ]


def _entries(environment: Environment) -> list[tuple[str, str, list[str], int]]:
    """Of each: its name, when it is due, what is given, and for how long it is made up for."""
    if not environment.scheduled:
        return []
    named = ["--environment", environment.name]
    return [
        ("shadow-look", _every(environment), [*_LOOK, *named], _CATCH_UP_LOOK_S),
        ("shadow-review", _daily(environment), [*_REVIEW, *named], _CATCH_UP_REVIEW_S),
    ]


def _every(environment: Environment) -> str:
    return f"*/{environment.shadow.look_every_minutes} * * * *"


def _daily(environment: Environment) -> str:
    return f"0 {environment.shadow.review_hour} * * *"
