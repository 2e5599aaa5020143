"""`fitwave lake`: make, import and check the lakehouse."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from libs.base.environment import load_environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from libs.features.lake import Lake

app = App(name="lake", help="The lakehouse: generate made-up markets, import public data, validate.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]

Replace = Annotated[bool, Parameter(negative="", help="Remove what the market has first; without it, that is refused.")]


@app.command
def generate(
    *,
    market: Annotated[list[str] | None, Parameter(name="--market", help="Default: every market.")] = None,
    weeks: Annotated[int, Parameter(help="Weekly deliveries after the history.")] = 1,
    customers: Annotated[int, Parameter(help="Customers of each market.")] = 8_000,
    articles: Annotated[int, Parameter(help="Articles of each market.")] = 900,
    lines_per_week: Annotated[int, Parameter(help="Order lines a week in each market.")] = 4_000,
    seed: Annotated[int, Parameter(help="The same seed makes the same lakehouse.")] = 1,
    replace: Replace = False,
    environment: EnvironmentName = None,
) -> None:
    """Make up markets with known truth: a history of 26 weeks, then one delivery a week."""
    from libs.features.generator.deliveries import cut_off, deliver
    from libs.features.generator.population import MarketPlan
    from libs.features.lake import Lake

    if min(weeks, customers, articles, lines_per_week) < 1:
        raise DataError("--weeks, --customers, --articles and --lines-per-week must be at least 1")
    settings = load_environment(environment)
    lake = Lake.open(settings.lake)
    table = Table("market", "delivery", "order lines", "returns", "complete at")
    names = sorted(settings.markets) if market is None else [settings.market(name).name for name in market]
    # By place among all markets: a market is the same one whether it is generated alone or with the others.
    place = {name: number for number, name in enumerate(sorted(settings.markets))}
    for name in names:
        _make_room(lake, name, replace)
    for name in names:
        plan = MarketPlan(name, customers, articles, lines_per_week, seed + place[name])
        for week in range(weeks + 1):
            done = deliver(lake, plan, week)
            table.add_row(name, done.part, f"{done.orders:,}", f"{done.returns:,}", f"{cut_off(plan, week):%Y-%m-%d}")
    Console().print(table)


@app.command
def import_renttherunway(
    file: Path,
    *,
    market: Annotated[str, Parameter(name="--market", help="The market to import it as.")],
    replace: Replace = False,
    environment: EnvironmentName = None,
) -> None:
    """Import the public RentTheRunway file, gzipped or plain, in its raw schema."""
    from libs.features.lake import Lake
    from libs.features.renttherunway import import_renttherunway as import_file

    settings = load_environment(environment)
    lake = Lake.open(settings.lake)
    _make_room(lake, settings.market(market).name, replace)
    report = import_file([file], lake, market)
    console = Console()
    console.print(f"{report.imported:,} of {report.lines:,} lines imported as market {market}")
    for reason, count in report.malformed.most_common():
        console.print(f"  left out: {count:,} lines, {reason} (first at {report.examples[reason]})", highlight=False)


@app.command
def validate(
    *,
    market: Annotated[list[str] | None, Parameter(name="--market", help="Default: every market.")] = None,
    environment: EnvironmentName = None,
) -> int:
    """Check every table against its schema, its values and its keys; exit code 1 if anything is wrong."""
    from libs.features.lake import Lake

    settings = load_environment(environment)
    lake = Lake.open(settings.lake)
    console, faulty = Console(), 0
    for name in sorted(settings.markets) if market is None else [settings.market(one).name for one in market]:
        faults = lake.validate(name)
        console.print(f"{name}: {'good' if not faults else f'{len(faults)} faults'}")
        for fault in faults:
            console.print(
                f"  {fault}", highlight=False, markup=False
            )  # a fault quotes data, which may look like markup
        faulty += bool(faults)
    return int(faulty > 0)


def _make_room(lake: "Lake", market: str, replace: bool) -> None:
    if replace:
        lake.remove(market)
    lake.require_empty(market)
