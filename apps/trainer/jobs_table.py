"""The weeks of all markets as a table for people: those to come, those under way, those that have ended."""

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from apps.trainer.queue import Entry
from apps.trainer.schedule import next_due
from libs.base.environment import Environment

_COLOURS = {"queued": "cyan", "running": "yellow", "done": "green", "failed": "red"}
_MOMENT = "%Y-%m-%d %H:%M"


def print_jobs(
    console: Console, environment: Environment, entries: Sequence[Entry], link: Callable[[str], str], now: datetime
) -> None:
    """One row a week, then why weeks failed, and where the logs are; moments are in UTC."""
    table = Table("market", "as of", "state", "tries", "took", "outcome")
    for name, market in sorted(environment.markets.items()):
        if environment.scheduled:
            table.add_row(name, f"{next_due(market, now):{_MOMENT}}", "due", "", "", "")
    for entry in entries:
        colour = _COLOURS[entry.state]
        table.add_row(
            entry.market,
            f"{datetime.fromisoformat(entry.as_of):{_MOMENT}}",
            f"[{colour}]{entry.state}[/{colour}]",
            str(entry.attempts),
            _took(entry, now),
            entry.outcome,
        )
    console.print(table)
    for entry in entries:
        if entry.reason:
            console.print(f"[bold]{entry.market}[/bold] {escape(entry.reason)}", highlight=False)
    for job in dict.fromkeys(entry.job for entry in entries if entry.job):
        console.print(f"log: fitwave trainer logs {job}  {link(job)}", highlight=False, soft_wrap=True)


def _took(entry: Entry, now: datetime) -> str:
    if not entry.started_at:
        return ""
    ended = datetime.fromisoformat(entry.ended_at) if entry.ended_at else now
    return f"{(ended - datetime.fromisoformat(entry.started_at)).total_seconds():.0f} s"
