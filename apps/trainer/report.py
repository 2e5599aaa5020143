"""The week of each market as a table for people."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from apps.trainer.week import MarketWeek
from libs.models.market_training import Trained

# What else has become of a week that is run again is yellow.
_COLOURS = {"champion": "green", "challenger": "cyan", "failed": "red"}


def print_weeks(console: Console, weeks: Iterable[MarketWeek]) -> None:
    """One row per market, then the reasons of those that did not get through, and where the model reports are."""
    table = Table("market", "lines in", "after rules", "labelled", "AUC macro", "log loss", "version", "outcome")
    weeks = list(weeks)
    for week in weeks:
        prepared, trained = week.prepared, week.trained
        colour = _COLOURS.get(week.outcome, "yellow")
        table.add_row(
            week.market,
            f"{prepared.lines_in:,}" if prepared else "",
            f"{prepared.lines_out:,}" if prepared else "",
            f"{prepared.labelled:,}" if prepared else "",
            _measured(trained, "auc_macro"),
            _measured(trained, "log_loss"),
            f"v{week.version}" if week.version else "",
            f"[{colour}]{week.outcome}[/{colour}]",
        )
    console.print(table)
    for week in weeks:
        if week.reason:
            console.print(f"[bold]{week.market}[/bold] {week.outcome} at {week.stage}: {week.reason}", highlight=False)
    for week in weeks:
        if week.refreshed:
            found = week.refreshed
            console.print(
                f"[bold]{week.market}[/bold] online: {found.customers:,} customers, nothing known of "
                f"{found.unknown_customers:,} of them, {found.articles:,} articles; {found.written:,} rows written, "
                f"{found.removed:,} removed",
                highlight=False,
            )
    for week in weeks:
        for doubt in week.trained.judgement.doubts if week.trained else ():
            console.print(f"[bold]{week.market}[/bold] worth a look: {doubt}", highlight=False)
    for week in weeks:
        for warning in week.warnings:
            console.print(f"[bold]{week.market}[/bold] [yellow]delivery[/yellow]: {escape(warning)}", highlight=False)
        if week.validation_path:
            path = escape(week.validation_path)
            console.print(f"[bold]{week.market}[/bold] validation: {path}", highlight=False, soft_wrap=True)
    for week in weeks:
        if week.report_path:
            # Not wrapped: a path is copied or clicked as a whole.
            console.print(
                f"[bold]{week.market}[/bold] model report: {escape(week.report_path)}", highlight=False, soft_wrap=True
            )
        elif week.trained and week.trained.report_fault:
            fault = escape(week.trained.report_fault)
            console.print(f"[bold]{week.market}[/bold] [red]has no model report[/red]: {fault}", highlight=False)


def _measured(trained: Trained | None, name: str) -> str:
    """A measure over its interval, which is narrower than beside it."""
    check = trained.judgement.check(name) if trained else None
    if check is None or check.value is None:
        return ""
    return f"{check.value:.3f}" + (f"\n{check.low:.3f}-{check.high:.3f}" if check.low is not None else "")
