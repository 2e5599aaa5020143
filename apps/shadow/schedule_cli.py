"""`fitwave shadow schedule`: have windows, canaries and promoted versions seen to without a person."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console

from libs.base.environment import Environment, load_environment
from libs.base.schedule_entries import print_cron_jobs, print_crontab

if TYPE_CHECKING:
    from libs.base.cluster_jobs import ClusterJobs

app = App(name="schedule", help="What sees to windows, canaries and promoted versions: settle, guard and review.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def look(*, environment: EnvironmentName = None) -> int:
    """Guard and settle every market once, as a schedule does: one that fails holds up no other."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    endpoints = resolve(settings)

    from apps.shadow.scheduler import look as look_once
    from libs.models.lifecycle import Lifecycle

    return int(look_once(Lifecycle.of(settings, endpoints), print) > 0)


@app.command
def run(*, environment: EnvironmentName = None) -> None:
    """Guard and settle every few minutes, and review once a day, until stopped."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    settings.require_scheduled()
    resolve(settings)  # before Ray is imported, which has to know how to reach the cluster

    from apps.shadow.scheduler import Scheduler

    Scheduler(environment, Console(markup=False, highlight=False, soft_wrap=True).log).run()


@app.command
def start(*, environment: EnvironmentName = None) -> None:
    """Have it run as a job on the cluster, and return."""
    from apps.shadow.scheduler import ROLE

    settings = load_environment(environment)
    settings.require_scheduled()
    print(_jobs(settings).keep_running(ROLE, ["schedule", "run"]))


@app.command
def stop(*, environment: EnvironmentName = None) -> None:
    """Stop it on the cluster; a canary stays at its step, and nothing goes back by itself any more."""
    from apps.shadow.scheduler import ROLE

    found = _jobs(load_environment(environment)).stop_role(ROLE)
    print(f"stopped {', '.join(found)}" if found else "no schedule was running")


@app.command
def cron(*, environment: EnvironmentName = None) -> None:
    """Print entries for cron that do the same."""
    from apps.shadow.schedule import crontab

    print_crontab(load_environment(environment), crontab)


@app.command
def kubernetes(
    *,
    image: Annotated[str, Parameter(help="An image that has the fitwave command.")],
    environment: EnvironmentName = None,
) -> None:
    """Print Kubernetes CronJobs that do the same."""
    from apps.shadow.schedule import cron_jobs

    settings = load_environment(environment)
    print_cron_jobs(settings, cron_jobs(settings, image))


def _jobs(settings: Environment) -> "ClusterJobs":
    from libs.base.endpoints import resolve

    endpoints = resolve(settings)

    from apps.shadow.scheduler import MODULE
    from libs.base.cluster_jobs import ClusterJobs

    return ClusterJobs(settings, endpoints, MODULE)
