"""The entries for cron and Kubernetes that a `schedule` command prints."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from libs.base.environment import REPOSITORY, Environment


def print_crontab(environment: Environment, crontab: Callable[[Environment, str], str]) -> None:
    """Print what `crontab` makes of the environment and of this installation's command."""
    _say_if_unscheduled(environment)
    print(crontab(environment, f"cd {REPOSITORY} && {Path(sys.prefix) / 'bin' / 'fitwave'}"), end="")


def print_cron_jobs(environment: Environment, cron_jobs: list[dict[str, Any]]) -> None:
    """Print the environment's CronJobs as YAML."""
    _say_if_unscheduled(environment)
    print(yaml.safe_dump_all(cron_jobs, sort_keys=False), end="")


def _say_if_unscheduled(environment: Environment) -> None:
    """As a comment, which cron and YAML share: what is printed stays something that they take."""
    if environment.unscheduled:
        print(f"# {environment.unscheduled}")
