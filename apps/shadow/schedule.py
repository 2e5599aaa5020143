"""What cron or Kubernetes are told so that windows, canaries and promoted versions are seen to without a person."""

from typing import Any

from libs.base.cron_jobs import cron_job
from libs.base.environment import Environment

_LOOK, _REVIEW = ("shadow", "schedule", "look"), ("shadow", "review", "--all")
# A look that was missed is made up for by the next one, a review by the next day's.
_CATCH_UP_LOOK_S, _CATCH_UP_REVIEW_S = 300, 6 * 3600


def crontab(environment: Environment, command: str) -> str:
    """Entries for cron: a look every few minutes, a review a day; none where the environment is not scheduled."""
    if not environment.scheduled:
        return ""
    named = ["--environment", environment.name]
    entries = ((_every(environment), _LOOK), (_daily(environment), _REVIEW))
    lines = [f"{when} {' '.join([command, *what, *named])}\n" for when, what in entries]
    return "".join(["CRON_TZ=UTC\n", *lines])


def cron_jobs(environment: Environment, image: str) -> list[dict[str, Any]]:
    """The same as Kubernetes CronJobs."""
    if not environment.scheduled:
        return []
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
