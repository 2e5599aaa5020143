"""`fitwave models`: the model versions of each market, what each was made from, and how two differ."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.base.environment import Environment, load_environment

if TYPE_CHECKING:
    from libs.models.registry import Registry

app = App(name="models", help="Model versions: what there is, what each was made from, how two differ.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]
Number = Annotated[str, Parameter(help="A version, as 12 or v12.")]

_COLOURS = {"champion": "green", "challenger": "cyan", "rejected": "yellow"}


@app.command(name="list")
def list_(
    *,
    market: Annotated[str | None, Parameter(help="One market only.")] = None,
    environment: EnvironmentName = None,
) -> None:
    """All versions, the latest first."""
    from apps.trainer.models import describe

    settings, registry = _registry(environment)
    names = [settings.market(market).name] if market else sorted(settings.markets)
    table = Table("market", "version", "status", "data until", "AUC macro", "log loss", "commit")
    for one in (one for name in names for one in describe(registry, name)):
        colour, tags = _COLOURS.get(one.status, "default"), one.version.tags
        table.add_row(
            one.version.market,
            f"v{one.version.number}",
            f"[{colour}]{one.status}[/{colour}]",
            tags.get("as_of", "")[:10],
            one.measures().get("auc_macro", ""),
            one.measures().get("log_loss", ""),
            tags.get("fitwave.git_commit", "")[:10] + ("+" if tags.get("fitwave.git_dirty") == "true" else ""),
        )
    Console().print(table)


@app.command
def show(market: str, version: Number, *, environment: EnvironmentName = None) -> None:
    """What a version was made from, what was measured, and what was decided."""
    from apps.trainer.models import describe

    _, registry = _registry(environment, market)
    [one] = describe(registry, market, version.removeprefix("v"))
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in {**one.facts(), **one.measures()}.items():
        if value:
            table.add_row(name, escape(value))
    Console().print(table)


@app.command
def diff(market: str, version: Number, other: Number, *, environment: EnvironmentName = None) -> None:
    """What is not the same of two versions of a market."""
    from apps.trainer.models import describe, differences

    _, registry = _registry(environment, market)
    [one], [two] = (describe(registry, market, number.removeprefix("v")) for number in (version, other))
    table = Table("", f"v{one.version.number}", f"v{two.version.number}")
    for name, (mine, theirs) in differences(one, two).items():
        table.add_row(name, escape(mine), escape(theirs))
    Console().print(table)


def _registry(environment: str | None, market: str | None = None) -> "tuple[Environment, Registry]":
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    if market is not None:
        settings.market(market)
    endpoints = resolve(settings)

    from libs.models.lifecycle import Lifecycle

    return settings, Lifecycle.of(settings, endpoints).registry
