"""When a market's week is due, by the market's own clock, and the same for other schedulers to read."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from libs.base.cron_jobs import cron_job
from libs.base.environment import Environment
from libs.base.market import Market, Schedule

_WEEK = timedelta(days=7)
_WEEKDAYS: tuple[str, ...] = get_args(Schedule.model_fields["weekday"].annotation)
# A cron that was down submits what it has missed, if that is not older.
_CATCH_UP_S = 6 * 86_400


def last_due(market: Market, now: datetime) -> datetime:
    """The latest moment, in UTC, at which the week was due."""
    return _due(market, _last_day(market, now))


def next_due(market: Market, now: datetime) -> datetime:
    """The next moment, in UTC, at which the week will be due."""
    return _due(market, _last_day(market, now) + _WEEK)


def _last_day(market: Market, now: datetime) -> date:
    today = now.astimezone(ZoneInfo(market.time_zone)).date()
    day = today - timedelta(days=(today.weekday() - _WEEKDAYS.index(market.schedule.weekday)) % 7)
    return day if _due(market, day) <= now else day - _WEEK


def _due(market: Market, day: date) -> datetime:
    # An hour that the clock skips is the one after it; of one that it shows twice, it is the first.
    return datetime.combine(day, time(market.schedule.hour), ZoneInfo(market.time_zone)).astimezone(UTC)


def crontab(environment: Environment, command: str) -> str:
    """Entries for cron, one a market, none where the environment is not scheduled.

    Submitting a week twice is submitting it once.
    """
    entries = []
    for name, market in _scheduled(environment):
        submit = " ".join([command, *_submit(environment, name)])
        entries.append(f"CRON_TZ={market.time_zone}\n{_cron(market)} {submit}\n")
    return "".join(entries)


def cron_jobs(environment: Environment, image: str) -> list[dict[str, Any]]:
    """Kubernetes CronJobs, one a market, none where the environment is not scheduled."""
    return [_cron_job(environment, name, market, image) for name, market in _scheduled(environment)]


def _scheduled(environment: Environment) -> list[tuple[str, Market]]:
    return sorted(environment.markets.items()) if environment.scheduled else []


def _cron_job(environment: Environment, name: str, market: Market, image: str) -> dict[str, Any]:
    submit, labels = _submit(environment, name), {"fitwave/market": name}
    return cron_job(environment, name, _cron(market), market.time_zone, image, submit, _CATCH_UP_S, labels)


def _submit(environment: Environment, market: str) -> list[str]:
    return ["trainer", "submit", "--market", market, "--due", "--environment", environment.name]


def _cron(market: Market) -> str:
    # cron counts days from Sunday.
    return f"0 {market.schedule.hour} * * {(_WEEKDAYS.index(market.schedule.weekday) + 1) % 7}"
