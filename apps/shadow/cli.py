"""`fitwave shadow`: look at the windows, decide them, and go back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Column, Table

from apps.shadow.schedule_cli import app as schedule_app
from libs.base.environment import load_environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from apps.shadow.canary import CanaryStep
    from apps.shadow.demotion import Reviewed
    from apps.shadow.verdict import Verdict
    from libs.models.lifecycle import Lifecycle

app = App(name="shadow", help="Shadow windows: status, comparison, verdict, promotion, rollback, history, pairs.")

app.command(schedule_app)

Market = Annotated[str, Parameter(name="--market", help="The market.")]
Markets = Annotated[list[str] | None, Parameter(name="--market", help="A market; several times if need be.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="Every market.")]
Reason = Annotated[str, Parameter(help="Why; it goes into the ledger.")]
EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def status(*, environment: EnvironmentName = None) -> None:
    """Champion, challenger and window of every market, what waits for a person, and how far a canary is."""
    from apps.shadow.promotion import shadow_of

    lifecycle, console = _lifecycle(environment), Console()
    table = Table("market", "champion", "challenger", "window", "open for")
    for name in sorted(lifecycle.environment.markets):
        champion = lifecycle.registry.holder(name, "champion")
        shadow = shadow_of(lifecycle, name)
        live = f"v{champion.number}" if champion else "none"
        row = (f"v{shadow.challenger.number}", shadow.window, f"{shadow.hours:.1f} h") if shadow else ("", "", "")
        table.add_row(name, live, *row)
    console.print(table)
    for name in sorted(lifecycle.environment.markets):
        print_notes(console, lifecycle, name)


@app.command
def compare(
    *,
    market: Market,
    page: Annotated[Path | None, Parameter(help="Where a page with plots and all numbers goes, as HTML.")] = None,
    environment: EnvironmentName = None,
) -> None:
    """Show the verdict of a market's window with its evidence; nothing is changed."""
    from apps.shadow.promotion import judge_window, shadow_of
    from apps.shadow.window_page import write_page

    if page is not None and not page.parent.is_dir():
        raise DataError(f"--page {page}: {page.parent} is no folder")
    lifecycle = _lifecycle(environment)
    shadow = shadow_of(lifecycle, market)
    if shadow is None:
        raise DataError(f"market {market!r} has no challenger; see `fitwave shadow status`")
    verdict = judge_window(lifecycle, shadow).verdict if page is None else write_page(lifecycle, shadow, page)
    print_verdict(Console(), market, verdict)
    print_notes(Console(), lifecycle, market)


@app.command
def settle(*, market: Markets = None, all_: All = False, environment: EnvironmentName = None) -> None:
    """Judge the windows and act: promote what is better, reject what is not, leave open what is undecided.

    `shadow.rollout` says whether what is better waits for a person, or answers a share of the customers first; a canary
    is taken a step further, or stopped. Then keep the pair log up, as `compact` does.
    """
    from apps.shadow import promotion
    from apps.shadow.upkeep import keep_up

    lifecycle, console = _lifecycle(environment), Console()
    for name in _chosen(lifecycle, market, all_):
        settled = promotion.settle(lifecycle, name)
        if settled is None:
            console.print(f"{name}: nothing is shadowed")
        else:
            print_verdict(console, name, settled.verdict)
            print_canary(console, lifecycle, name, settled.canary)
        print_notes(console, lifecycle, name)
        console.print(keep_up(lifecycle, name).told(), highlight=False)


@app.command
def compact(*, market: Markets = None, all_: All = False, environment: EnvironmentName = None) -> None:
    """Make few files of the pair log's many, and remove the windows older than `shadow.retention_days`."""
    from apps.shadow.upkeep import keep_up

    lifecycle = _lifecycle(environment)
    for name in _chosen(lifecycle, market, all_):
        Console().print(keep_up(lifecycle, name).told(), highlight=False)


@app.command
def review(*, market: Markets = None, all_: All = False, environment: EnvironmentName = None) -> int:
    """Judge promotions again by what was bought in their windows, and demote what turned out worse."""
    lifecycle, console = _lifecycle(environment), Console()
    # What makes the features imports Ray, which has to know by then how to reach the cluster.
    from apps.shadow.demotion import settle_again

    failed = 0
    for name in _chosen(lifecycle, market, all_):
        try:
            reviewed = settle_again(lifecycle, name)
        except DataError as error:
            console.print(f"{name}: not reviewed: {error}", highlight=False, markup=False)
            failed = 1
            continue
        for one in reviewed:
            print_reviewed(console, name, one)
        if not reviewed:
            console.print(f"{name}: nothing to review")
    return failed


@app.command
def guard(*, market: Markets = None, all_: All = False, environment: EnvironmentName = None) -> None:
    """Look at what was promoted lately in live traffic, and go back if it fails or is slow, by `shadow.guard`.

    A canary that fails or is slow is stopped, by `shadow.rollout`.
    """
    from apps.shadow.guard import watch

    lifecycle, console = _lifecycle(environment), Console()
    for name in _chosen(lifecycle, market, all_):
        for told in watch(lifecycle, name).told():
            console.print(f"{name}: {told}", highlight=False, markup=False, soft_wrap=True)


@app.command
def promote(*, market: Market, reason: Reason, environment: EnvironmentName = None) -> None:
    """Promote the challenger by hand, whatever the verdict."""
    from apps.shadow import promotion

    lifecycle = _lifecycle(environment)
    promotion.promote(lifecycle, market, f"by hand: {reason}", {})
    print(f"{market}: promoted")
    print_notes(Console(), lifecycle, market)


@app.command
def reject(*, market: Market, reason: Reason, environment: EnvironmentName = None) -> None:
    """Take the challenger away by hand."""
    from apps.shadow import promotion

    promotion.reject(_lifecycle(environment), market, f"by hand: {reason}", {})
    print(f"{market}: rejected")


@app.command
def rollback(
    *,
    market: Market,
    reason: Reason,
    champion: Annotated[str | None, Parameter(help="Go back from this version only: safe to be run again.")] = None,
    environment: EnvironmentName = None,
) -> None:
    """Bring the champion before the present one back."""
    from apps.shadow import promotion

    lifecycle = _lifecycle(environment)
    old, new = promotion.rollback(lifecycle, market, reason, champion and champion.removeprefix("v"))
    print(f"{market}: v{old} -> v{new}")
    print_notes(Console(), lifecycle, market)


@app.command
def history(*, market: Market, environment: EnvironmentName = None) -> None:
    """The ledger of a market: what became champion when, by whom, and why."""
    from apps.shadow.rollout import name_of
    from libs.models.ledger import Ledger

    settings = load_environment(environment)
    table = Table(Column("at", overflow="fold"), Column("action", no_wrap=True), "version", "before", "by", "reason")
    for entry in Ledger(settings.home).entries(settings.market(market).name):
        previous = f"v{entry.previous}" if entry.previous else ""
        share = f" {name_of(entry.canary_share)}" if entry.canary_share is not None else ""
        table.add_row(entry.at, entry.action + share, f"v{entry.version}", previous, entry.by or "", entry.reason)
    Console().print(table)


def print_verdict(console: Console, market: str, verdict: "Verdict") -> None:
    """The checks as a table, then the decision."""
    table = Table("check", "finding", "detail", title=f"{market}: champion and challenger")
    for check in verdict.checks:
        table.add_row(check.name, check.told, check.detail)
    agreement = verdict.comparison.agreement
    table.add_row(
        "agreement", "", "no complete pairs" if agreement is None else f"{agreement:.1%} of sizes are the same"
    )
    console.print(table)
    console.print(f"[bold]{market}: {verdict.decision}[/bold]: {verdict.reason}", highlight=False)


def print_canary(console: Console, lifecycle: "Lifecycle", market: str, step: "CanaryStep | None") -> None:
    """How the canary's step went that was settled, if it is over, and by which entry."""
    if step is not None and step.state in ("stopped", "done"):
        entry = lifecycle.history(market).entries[-1]
        console.print(f"{market}: {step.told()}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"{market}: {entry.action}: {entry.reason}", highlight=False, markup=False, soft_wrap=True)


def print_notes(console: Console, lifecycle: "Lifecycle", market: str) -> None:
    """What waits for a person by the market's rollout policy, and a canary, a line each."""
    from apps.shadow.promotion import notes

    for note in notes(lifecycle, market):
        console.print(f"{market}: {note}", highlight=False, markup=False, soft_wrap=True)


def print_reviewed(console: Console, market: str, found: "Reviewed") -> None:
    """The differences as a table, then the decision and what followed."""
    promotion, verdict = found.promotion, found.verdict
    title = f"{market}: v{promotion.version} and v{promotion.previous} on what was bought in {promotion.window}"
    table = Table("lines", "number", "customers", "more log loss", "between", title=title)
    for name, one in verdict.differences.items():
        between = f"{one.loss.lower:+.4f} and {one.loss.upper:+.4f}"
        table.add_row(name.replace("_", " "), str(one.lines), str(one.loss.n), f"{one.loss.mean:+.4f}", between)
    if verdict.differences:
        console.print(table)
    why = f"; not demoted: {found.why}" if found.why else ""
    decision = f"[bold]{market} v{promotion.version}: {verdict.decision}[/bold]"
    console.print(f"{decision}: {verdict.reason}{why}", highlight=False)
    if found.action == "demoted":
        console.print(f"{market}: v{promotion.version} -> v{promotion.previous}", highlight=False)


def _chosen(lifecycle: "Lifecycle", markets: list[str] | None, all_: bool) -> list[str]:
    if all_ == bool(markets):
        raise DataError("say which markets: --market NAME, once or more, or --all")
    return sorted(lifecycle.environment.markets) if all_ else markets or []


def _lifecycle(environment: str | None) -> "Lifecycle":
    from libs.base.endpoints import resolve
    from libs.models.lifecycle import Lifecycle

    settings = load_environment(environment)
    return Lifecycle.of(settings, resolve(settings))
