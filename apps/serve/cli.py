"""`fitwave serve`: make Serve follow the registry and the config, and see what it runs."""

import json
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from libs.base.environment import load_environment

app = App(name="serve", help="The serving cluster: deploy from config and registry, status.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def deploy(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Print the Serve document and change nothing.")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Make Serve run what config and registry say; replicas that stay the same go on answering."""
    from libs.base.endpoints import resolve
    from libs.models.lifecycle import Lifecycle
    from libs.models.serving_plan import render

    settings = load_environment(environment)
    lifecycle = Lifecycle.of(settings, resolve(settings))
    if dry_run:
        print(json.dumps(render(settings, lifecycle.endpoints, lifecycle.state()), indent=1))
        return
    lifecycle.publish()
    print(f"serving at http://{settings.serving.gateway.host}:{lifecycle.endpoints.gateway_port}")


@app.command
def status(*, environment: EnvironmentName = None) -> None:
    """Applications, deployments and replicas as Serve sees them."""
    from libs.base.endpoints import resolve
    from libs.models.serving_plan import status as serve_status

    settings = load_environment(environment)
    table = Table("application", "status", "deployment", "status", "replicas")
    for name, application in sorted(serve_status(resolve(settings))["applications"].items()):
        for deployment, state in sorted(application["deployments"].items()):
            replicas = f"{len(state['replicas'])}/{state['target_num_replicas']}"
            table.add_row(name, application["status"], deployment, state["status"], replicas)
    Console().print(table)
