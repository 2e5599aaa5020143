"""`fitwave drift`: how far a market's live traffic is from what its champion was trained on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from libs.base.environment import load_environment
from libs.base.errors import DataError

app = App(name="drift", help="Live traffic beside what the champion was trained on.")

# The stability index of alike samples is about bins / questions: fewer would look like a shift by chance.
_FEWEST_QUESTIONS = 200
_SHOWN, _DRAWN = 12, 6


@app.default
def drift(
    *,
    market: Annotated[str, Parameter(name="--market", help="The market.")],
    days: Annotated[int, Parameter(help="Traffic of so many days, today included.")] = 7,
    out: Annotated[Path | None, Parameter(help="Where the page goes, with its plots.")] = None,
    environment: Annotated[
        str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")
    ] = None,
) -> int:
    """Compare the live questions with the champion's training; exit code 1 if something has shifted beyond its bound.

    The bounds are the market's `validation.max_feature_shift` and `max_prediction_shift`.
    """
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    config = settings.market(market)
    if days < 1:
        raise DataError("--days must be at least 1")
    endpoints = resolve(settings)

    from libs.features.lake import Lake
    from libs.features.validation.checks import check_shifts
    from libs.models.distributions import PREDICTION, Distributions
    from libs.models.lifecycle import Lifecycle
    from libs.models.traffic import read_traffic

    champion = Lifecycle.of(settings, endpoints).registry.holder(market, "champion")
    if champion is None:
        raise DataError(f"market {market!r} has no champion yet: run its weekly job first")
    trained_on = Distributions.load(Path(champion.ref.path))
    if trained_on is None:
        raise DataError(f"champion v{champion.number} of market {market!r} keeps no distributions: train it anew")
    looked = read_traffic(Lake.open(settings.lake), market, champion.number, days, datetime.now(UTC).date())
    if looked.questions < _FEWEST_QUESTIONS:
        raise DataError(
            f"only {looked.questions} live questions of market {market!r} were looked at for v{champion.number} in "
            f"{days} days; {_FEWEST_QUESTIONS} are needed to tell a shift from chance"
        )
    shifts = trained_on.shifts(looked.counts)
    findings = check_shifts(config.validation, shifts, PREDICTION, f"what champion v{champion.number} was trained on")
    console = Console()
    table = Table("input or answer", "shift", "at most", "")
    for one in findings[:_SHOWN]:
        table.add_row(
            one.subject,
            f"{one.value:.3f}",
            f"{one.bound:g}",
            "" if one.status == "passed" else f"[red]{one.status}[/red]",
        )
    console.print(f"{market}: {looked.questions:,} live questions beside the training of champion v{champion.number}")
    console.print(table)
    if out is not None:
        from libs.models.report.validation import Distribution, ValidationPage

        ValidationPage(
            title="Live traffic",
            market=market,
            about=f"{looked.questions:,} questions of the last {days} days, beside the training of champion "
            f"v{champion.number}",
            findings=findings,
            shifts=shifts,
            shift_bound=config.validation.max_feature_shift,
            distributions=[
                Distribution(name, trained_on.edges[name], trained_on.counts[name], looked.counts[name])
                for name in list(shifts)[:_DRAWN]
            ],
        ).write(out)
        console.print(f"the page is {out}", soft_wrap=True, highlight=False)
    return int(any(one.status != "passed" for one in findings))
