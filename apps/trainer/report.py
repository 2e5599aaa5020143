"""The week of each market as a table for people."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from apps.trainer.weekly import MarketWeek

_COLOURS = {"champion": "green", "challenger": "cyan", "rejected": "yellow", "failed": "red"}


def print_weeks(console: Console, weeks: Iterable[MarketWeek]) -> None:
    """One row per market, then the reasons of those that did not get through."""
    table = Table("market", "lines in", "after rules", "labelled", "AUC macro", "log loss", "version", "outcome")
    weeks = list(weeks)
    for week in weeks:
        prepared, trained = week.prepared, week.trained
        colour = _COLOURS[week.outcome]
        table.add_row(
            week.market,
            f"{prepared.lines_in:,}" if prepared else "",
            f"{prepared.lines_out:,}" if prepared else "",
            f"{prepared.labelled:,}" if prepared else "",
            f"{trained.metrics.auc_macro:.3f}" if trained and trained.metrics.auc_macro is not None else "",
            f"{trained.metrics.log_loss:.3f}" if trained else "",
            f"v{week.version}" if week.version else "",
            f"[{colour}]{week.outcome}[/{colour}]",
        )
    console.print(table)
    for week in weeks:
        if week.reason:
            console.print(f"[bold]{week.market}[/bold] {week.outcome} at {week.stage}: {week.reason}", highlight=False)
