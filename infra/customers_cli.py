"""`fitwave customers`: what a customer may ask for."""

from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from libs.base.environment import load_environment

app = App(name="customers", help="Customers: forget one.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def forget(
    customer_id: str,
    *,
    market: Annotated[str, Parameter(name="--market", help="The market the customer is registered in.")],
    environment: EnvironmentName = None,
) -> int:
    """Remove a customer from lake, pair log and online store, and look again; exit code 1 if anything is left."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    name = settings.market(market).name
    endpoints = resolve(settings)

    from libs.models.forget import forget as forget_customer

    traces = forget_customer(settings, endpoints, name, customer_id)
    table = Table("store", "removed", "left")
    for trace in traces:
        table.add_row(trace.store, f"{trace.removed:,}", f"[red]{trace.left:,}[/red]" if trace.left else "0")
    console = Console()
    console.print(table)
    if any(trace.left for trace in traces):
        console.print("Not all is gone: a weekly job of the market is at work, or one was interrupted. Run this again.")
        return 1
    return 0
