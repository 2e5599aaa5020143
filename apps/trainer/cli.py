"""`fitwave trainer`: run, submit and look at the weekly job, and tune a market on demand."""

import os
import re
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError

app = App(name="trainer", help="The weekly job: preprocess, train, register, judge, refresh, shadow.")

Market = Annotated[list[str] | None, Parameter(name="--market", help="A market; may be given several times.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="Every market of the environment.")]
AsOf = Annotated[
    str | None, Parameter(help="The week's cut-off, ISO 8601, UTC unless it says otherwise. Default: now.")
]
_LAST = 19
_VERSION = re.compile(r"v(\d+)")
EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


AsOfVersion = Annotated[
    str | None,
    Parameter(help="The cut-off; or a model version, as v12: it is made again from its data, and nothing goes live."),
]


@app.command
def run(
    market: Market = None, all_: All = False, as_of: AsOfVersion = None, environment: EnvironmentName = None
) -> int:
    """Run the weekly job here, for one market or all, and wait for it; or make one model version again."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    markets = _chosen(settings, market, all_)
    if as_of is not None and (again := _VERSION.fullmatch(as_of)):
        return _reproduce(settings, markets, again[1])
    time = parse_time(as_of)
    endpoints = resolve(settings)

    from apps.trainer.report import print_weeks
    from apps.trainer.weekly import WeeklyRun

    # On a machine that also serves, a question is answered first.
    os.nice(_LAST)
    console = Console()
    weekly = WeeklyRun(settings, endpoints, time, console.log)
    weeks = weekly.run(markets)
    print_weeks(console, weeks.values())
    return int(any(week.outcome == "failed" for week in weeks.values()))


@app.command
def submit(market: Market = None, all_: All = False, as_of: AsOf = None, environment: EnvironmentName = None) -> None:
    """Submit the weekly job to the cluster, one Ray job per market, and return at once."""
    from apps.trainer.jobs import TrainerJobs
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    markets, time = _chosen(settings, market, all_), parse_time(as_of)
    for job in TrainerJobs(settings, resolve(settings)).submit(markets, time):
        print(job)


@app.command
def tune(
    *,
    market: Annotated[str, Parameter(name="--market", help="The market.")],
    minutes: Annotated[float, Parameter(help="End the search after so long.")] = 10.0,
    trials: Annotated[int, Parameter(help="End the search after so many sets.")] = 40,
    concurrent: Annotated[int, Parameter(help="Sets tried at a time, a CPU each.")] = 2,
    as_of: AsOf = None,
    write: Annotated[
        bool, Parameter(name="--write", negative="--dry-run", help="Store the found set, if it is surely better.")
    ] = True,
    environment: EnvironmentName = None,
) -> None:
    """Search a market's hyper-parameters on its train window, and store what is better in its config."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    name, time = settings.market(market).name, parse_time(as_of)
    endpoints = resolve(settings)

    from apps.trainer.tune import TuneRun, print_tuned, store
    from libs.models.tuning import Budget

    console, budget = Console(), Budget(minutes, trials, concurrent)
    tuned = TuneRun(settings, endpoints, time, console.log).run(name, budget)
    print_tuned(console, tuned, budget)
    store(console, settings, name, tuned, write)


@app.command
def jobs(*, environment: EnvironmentName = None) -> None:
    """List the submitted jobs, newest first."""
    from apps.trainer.jobs import TrainerJobs
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    table = Table("job", "market", "as of", "status", "started", "took")
    for job in TrainerJobs(settings, resolve(settings)).list():
        took = f"{(job.ended - job.started).total_seconds():.0f} s" if job.started and job.ended else ""
        started = f"{job.started:%Y-%m-%d %H:%M:%S}" if job.started else ""
        table.add_row(job.id, job.market, job.as_of, job.status, started, took)
    Console().print(table)


@app.command
def logs(job: str, *, environment: EnvironmentName = None) -> None:
    """Print what a submitted job has printed."""
    from apps.trainer.jobs import TrainerJobs
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    print(TrainerJobs(settings, resolve(settings)).logs(job), end="")


def _reproduce(settings: Environment, markets: list[str], number: str) -> int:
    if len(markets) != 1:
        raise DataError(f"--as-of v{number} is a version of one market: say which with --market")
    from libs.base.endpoints import resolve

    endpoints = resolve(settings)

    from apps.trainer.reproduction import print_reproduced, reproduce

    console = Console()
    found = reproduce(settings, endpoints, markets[0], number, console.log)
    print_reproduced(console, found)
    return int(not found.same_booster)


def _chosen(settings: Environment, markets: list[str] | None, all_: bool) -> list[str]:
    if all_ == bool(markets):
        raise DataError("say which markets: --market NAME, once or more, or --all")
    return sorted(settings.markets) if all_ else [settings.market(name).name for name in markets or ()]


def parse_time(text: str | None) -> datetime:
    """A cut-off from its text.

    Raises:
        DataError: it is not ISO 8601.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(f"--as-of {text!r} is not a date or time like 2026-03-02 or 2026-03-02T00:00:00Z") from error
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
