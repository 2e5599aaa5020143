"""`fitwave trainer`: run, submit and look at the weekly job, and tune a market on demand."""

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console

from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError
from libs.base.logs import in_words
from libs.base.schedule_entries import print_cron_jobs, print_crontab

if TYPE_CHECKING:
    from apps.trainer.dispatcher import Dispatcher
    from apps.trainer.jobs import TrainerJobs
    from apps.trainer.queue import WeekQueue
    from apps.trainer.told import Told

app = App(name="trainer", help="The weekly job: preprocess, train, register, judge, refresh, shadow.")

Market = Annotated[list[str] | None, Parameter(name="--market", help="A market; may be given several times.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="Every market of the environment.")]
AsOf = Annotated[
    str | None, Parameter(help="The week's cut-off, ISO 8601, UTC unless it says otherwise. Default: now.")
]
EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]
AsOfVersion = Annotated[
    str | None,
    Parameter(help="The cut-off; or a model version, as v12: it is made again from its data, and nothing goes live."),
]

_LAST = 19
_VERSION = re.compile(r"v(\d+)")

app.command(schedule := App(name="schedule", help="When the weekly job of each market is due, and what sees to it."))


@app.command
def run(
    market: Market = None,
    all_: All = False,
    as_of: AsOfVersion = None,
    queued: Annotated[bool, Parameter(negative="", show=False)] = False,
    environment: EnvironmentName = None,
) -> int:
    """Run the weekly job here, for one market or all, and wait for it; or make one model version again."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    markets = _chosen(settings, market, all_)
    if as_of is not None and (again := _VERSION.fullmatch(as_of)):
        return _reproduce(settings, markets, again[1])
    time = parse_time(as_of)
    endpoints = resolve(settings)

    from apps.trainer.weekly import WeeklyRun

    # On a machine that also serves, a question is answered first.
    os.nice(_LAST)
    told = _told(settings)
    weekly = WeeklyRun(settings, endpoints, time, told.notify, told.progress)
    weeks = weekly.run(markets)
    if queued:
        from apps.trainer.queue import WeekQueue

        queue = WeekQueue(settings, endpoints)
        for week in weeks.values():
            queue.end(week.market, time, week.outcome, f"{week.stage}: {week.reason}" if week.reason else "")
    told.weeks(weeks.values())
    return int(any(week.outcome == "failed" for week in weeks.values()))


@app.command
def submit(
    market: Market = None,
    all_: All = False,
    as_of: AsOf = None,
    due: Annotated[bool, Parameter(negative="", help="Of each market the week that its schedule says is due.")] = False,
    allow_dirty: Annotated[bool, Parameter(negative="", help="Send code with changes that no commit holds.")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Ask for the weekly job and return at once: markets wait in a queue for a place on the cluster."""
    from apps.trainer.schedule import last_due

    settings = load_environment(environment)
    markets, time = _chosen(settings, market, all_), parse_time(as_of)
    if due and as_of is not None:
        raise DataError("--due is a cut-off of its own: leave out --as-of")
    queue, jobs_ = _queue_and_jobs(settings)
    if settings.production or not allow_dirty:
        jobs_.require_clean()
    for name in markets:
        cut_off = last_due(settings.market(name), time) if due else time
        added = queue.add(name, cut_off, datetime.now(UTC))
        print(f"{name} {cut_off.isoformat()} {'queued' if added else 'is under way already'}")
    if not queue.is_dispatched():
        jobs_.dispatch()


@app.command(show=False)
def dispatch(*, environment: EnvironmentName = None) -> None:
    """Admit what is queued until nothing is; `submit` starts this on the cluster."""
    _dispatcher(load_environment(environment)).drain()


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
    """What is due next, queued, running, done and failed, the latest first, with links to logs."""
    from apps.trainer.jobs_table import print_jobs

    settings = load_environment(environment)
    queue, jobs_ = _queue_and_jobs(settings)
    print_jobs(Console(), settings, queue.entries(), jobs_.link, datetime.now(UTC))


@app.command
def logs(
    job: str,
    *,
    json: Annotated[bool, Parameter(negative="", help="As it is: a JSON object a line.")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Print what a submitted job has said."""
    for line in _jobs(load_environment(environment)).logs(job).splitlines():
        print(line if json else in_words(line))


@schedule.command(name="run")
def run_schedule(*, environment: EnvironmentName = None) -> None:
    """Ask for each market's week when it is due, and admit what is queued, until stopped."""
    settings = load_environment(environment)
    settings.require_scheduled()
    _dispatcher(settings).schedule()


@schedule.command
def start(*, environment: EnvironmentName = None) -> None:
    """Have the schedule run as a job on the cluster, and return."""
    settings = load_environment(environment)
    settings.require_scheduled()
    print(_jobs(settings).schedule())


@schedule.command
def stop(*, environment: EnvironmentName = None) -> None:
    """Stop the schedule on the cluster; weeks that are running go on."""
    found = _jobs(load_environment(environment)).stop_schedule()
    print(f"stopped {', '.join(found)}" if found else "no schedule was running")


@schedule.command
def cron(*, environment: EnvironmentName = None) -> None:
    """Print entries for cron that submit each market's week when it is due."""
    from apps.trainer.schedule import crontab

    print_crontab(load_environment(environment), crontab)


@schedule.command
def kubernetes(
    *,
    image: Annotated[str, Parameter(help="An image that has the fitwave command.")],
    environment: EnvironmentName = None,
) -> None:
    """Print Kubernetes CronJobs that submit each market's week when it is due."""
    from apps.trainer.schedule import cron_jobs

    settings = load_environment(environment)
    print_cron_jobs(settings, cron_jobs(settings, image))


def _jobs(settings: Environment) -> "TrainerJobs":
    return _queue_and_jobs(settings)[1]


def _queue_and_jobs(settings: Environment) -> "tuple[WeekQueue, TrainerJobs]":
    from libs.base.endpoints import resolve

    endpoints = resolve(settings)

    from apps.trainer.jobs import TrainerJobs
    from apps.trainer.queue import WeekQueue

    return WeekQueue(settings, endpoints), TrainerJobs(settings, endpoints)


def _dispatcher(settings: Environment) -> "Dispatcher":
    queue, jobs_ = _queue_and_jobs(settings)

    from apps.trainer.dispatcher import Dispatcher

    return Dispatcher(settings, queue, jobs_, _told(settings).notify)


def _told(settings: Environment) -> "Told":
    """To people here, or, as a job, to the log."""
    from apps.trainer.told import ToLog, ToPeople

    job = os.environ.get("FITWAVE_JOB")
    return ToLog(settings.name, job) if job else ToPeople()


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
