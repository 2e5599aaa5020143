"""Kubernetes CronJobs that give a `fitwave` command when it is due."""

from collections.abc import Sequence
from typing import Any

from libs.base.environment import Environment
from libs.base.identifiers import market_name

# Kubernetes adds eleven characters for each job, and a name has 63.
_LONGEST_NAME = 52


def cron_job(
    environment: Environment,
    name: str,
    schedule: str,
    time_zone: str,
    image: str,
    command: Sequence[str],
    catch_up_s: int,
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    """One CronJob of an environment. What it has missed it makes up for, if that is not older than `catch_up_s`."""
    labels = {"app.kubernetes.io/part-of": "fitwave", "fitwave/environment": environment.name, **(labels or {})}
    container = {"name": "submit", "image": image, "command": ["fitwave", *command]}
    pod = {"metadata": {"labels": labels}, "spec": {"restartPolicy": "OnFailure", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": market_name(environment.name, name, _LONGEST_NAME), "labels": labels},
        "spec": {
            "schedule": schedule,
            "timeZone": time_zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": catch_up_s,
            "jobTemplate": {"spec": {"backoffLimit": 3, "template": pod}},
        },
    }
