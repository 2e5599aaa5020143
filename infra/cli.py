"""The `fitwave` command: the environment itself, and the commands of the apps."""

from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from libs.base import console
from libs.base.environment import load_environment

app = App(name="fitwave", help="Fitwave: which size should this customer take of this article?")

# By name only, so that `fitwave --help` imports none of them; each takes seconds of libraries along.
MOUNTED = {
    "env": "infra.env_cli:app",
    "lake": "infra.lake_cli:app",
    "trainer": "apps.trainer.cli:app",
    "serve": "apps.serve.cli:app",
    "models": "apps.trainer.models_cli:app",
    "shadow": "apps.shadow.cli:app",
    "keys": "apps.serve.keys_cli:app",
    "score": "apps.serve.score_cli:app",
    "drift": "apps.serve.drift_cli:app",
    "audit": "infra.audit_cli:app",
    "customers": "infra.customers_cli:app",
    "config": "infra.config_cli:app",
    "cluster": "infra.kubernetes.cli:app",
}
for name, target in MOUNTED.items():
    app.command(target, name=name)

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def up(*, environment: EnvironmentName = None) -> None:
    """Start the stores and the cluster that are not configured elsewhere, then the gateway."""
    from infra.stack.local import up as start
    from infra.stack.prometheus_targets import targets_file

    settings = load_environment(environment)
    endpoints = start(settings)

    from libs.models.lifecycle import Lifecycle

    Lifecycle.of(settings, endpoints).publish()
    status(environment=environment)
    gateway = f"http://{settings.serving.gateway.host}:{endpoints.gateway_port}"
    print(f"metrics: {gateway}/metrics; Prometheus reads {targets_file(settings)} (docs/observability.md)")


@app.command
def down(*, environment: EnvironmentName = None) -> None:
    """Stop exactly what `up` started; data stays."""
    from infra.stack.local import down as stop

    stopped = stop(load_environment(environment))
    print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@app.command
def status(*, environment: EnvironmentName = None) -> int:
    """What runs where, and whether it answers; exit code 1 if something does not."""
    from infra.stack.local import status as components

    table = Table("component", "origin", "address", "pid", "state")
    rows = components(load_environment(environment))
    for row in rows:
        state = "[green]answers[/green]" if row.healthy else "[red]does not answer[/red]"
        table.add_row(row.name, row.origin, row.address, str(row.pid or ""), state)
    Console().print(table)
    return int(any(not row.healthy for row in rows))


def main() -> None:
    """Entry point of the `fitwave` command."""
    console.run(app)
