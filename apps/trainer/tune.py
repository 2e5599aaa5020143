"""Tuning on demand: one market's table as the weekly job would make it, a search on it, the found set into its config.

Nothing here is part of the weekly job, which trains with what the config says.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.market import Training
from libs.base.market_file import store_training
from libs.features.preprocess import Failed, preprocess
from libs.models.tuning import Budget, Trial, Tuned, search, searched

# More rows than this are read by nobody.
_SHOWN = 12


@dataclass(frozen=True)
class TuneRun:
    """One search: the environment, the cut-off of its data, and whom to tell how it goes."""

    environment: Environment
    endpoints: Endpoints
    as_of: datetime
    notify: Callable[[str], None]

    def run(self, market: str, budget: Budget) -> Tuned:
        """Preprocess and search. Everything it writes is removed again, also when it fails.

        Raises:
            DataError: the market is unknown, its data break the schema or are too thin, or no trial ended in time.
            TransientError: the cluster is away.
        """
        config = self.environment.market(market)
        runs = self.environment.home / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"tune-{market}-", dir=runs) as temporary, connected(self.endpoints):
            folder = Path(temporary)
            self.notify("preprocess: rules, label maturity, point-in-time features")
            prepared = preprocess(self.environment.lake, {market: config}, self.as_of, folder)[market]
            if isinstance(prepared, Failed):
                raise DataError(prepared.reason)
            self.notify(f"search: at most {budget.trials} trials and {budget.minutes:g} minutes")
            return search(config, prepared.training_path, budget, folder / "trials")


def store(console: Console, settings: Environment, market: str, tuned: Tuned, write: bool) -> None:
    """Put the found set into the market's config if it is surely better, and say what was done."""
    if not tuned.better:
        console.print("[yellow]not stored[/yellow]: the found set is not surely better than the configured one")
    elif not write:
        console.print("[yellow]not stored[/yellow]: --dry-run")
    else:
        path = store_training(settings.name, market, tuned.values)
        console.print(f"[green]stored[/green] in {path}; the next week trains with it", highlight=False, soft_wrap=True)


def print_tuned(console: Console, tuned: Tuned, budget: Budget) -> None:
    """The trials, best first, what of the budget was used, and the found set beside the configured one."""
    # Long names are broken, so that the table fits eighty columns.
    names = [name.replace("_", "\n") for name in searched(tuned.current)]
    table = Table("", *names, "log\nloss", "seconds")
    for place, trial in enumerate(tuned.trials, start=1):
        if place <= _SHOWN or trial.training == tuned.current:
            table.add_row(*_row(place, trial, tuned))
    console.print(table)
    if table.row_count < len(tuned.trials):
        console.print(f"and {len(tuned.trials) - table.row_count} more", highlight=False)
    for fault in tuned.faults:
        console.print(f"[red]failed[/red]: {escape(fault)}", highlight=False)
    lines = ", ".join(f"{count:,} to {name}" for name, count in tuned.lines.items())
    console.print(f"lines of the train window: {lines}", highlight=False)
    console.print(
        f"budget: {len(tuned.trials)} of {budget.trials} trials, "
        f"{tuned.seconds / 60:.1f} of {budget.minutes:g} minutes",
        highlight=False,
    )
    console.print(f"current: {_named(tuned.current)}", highlight=False)
    console.print(f"found:   {_named(tuned.found)}", highlight=False)
    console.print(
        f"difference of log loss: {tuned.difference:+.4f} ({tuned.interval.low:+.4f} to {tuned.interval.high:+.4f}, by "
        f"customer, as the best of {len(tuned.trials)}); below zero is better",
        highlight=False,
    )


def _row(place: int, trial: Trial, tuned: Tuned) -> Iterator[str]:
    yield "current" if trial.training == tuned.current else str(place)
    yield from (f"{value:g}" for value in searched(trial.training).values())
    yield f"{trial.log_loss:.4f}"
    yield f"{trial.seconds:.1f}"


def _named(training: Training) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in searched(training).items())
