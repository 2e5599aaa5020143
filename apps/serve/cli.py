"""`fitwave serve`: make Serve follow the registry and the config, and see what it runs."""

import json
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from apps.serve.plan_difference import Change, differences
from libs.base.environment import load_environment
from libs.base.secrets import masked

app = App(name="serve", help="The serving cluster: deploy from config and registry, status.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def deploy(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Say what would change, and change nothing.")] = False,
    document: Annotated[
        bool, Parameter(negative="", help="Print the whole Serve document, without passwords, and change nothing.")
    ] = False,
    environment: EnvironmentName = None,
) -> None:
    """Make Serve run what config and registry say; replicas that stay the same go on answering."""
    from libs.base.endpoints import resolve
    from libs.models.lifecycle import Lifecycle
    from libs.models.serve_api import status as serve_status
    from libs.models.serving_plan import render

    settings = load_environment(environment)
    lifecycle = Lifecycle.of(settings, resolve(settings))
    if dry_run or document:
        wanted = render(settings, lifecycle.endpoints, lifecycle.state())
        if document:
            print(masked(json.dumps(wanted, indent=1)))
        else:
            _say(differences(serve_status(lifecycle.endpoints), wanted))
        return
    lifecycle.publish()
    print(f"serving at http://{settings.serving.gateway.host}:{lifecycle.endpoints.gateway_port}")


def _say(changes: list[Change]) -> None:
    for change in changes:
        print(change)
    if not changes:
        print("nothing would change")


@app.command
def status(*, environment: EnvironmentName = None) -> None:
    """Applications, deployments and replicas as Serve sees them."""
    from libs.base.endpoints import resolve
    from libs.models.serve_api import status as serve_status

    settings = load_environment(environment)
    table = Table("application", "status", "deployment", "status", "replicas")
    for name, application in sorted(serve_status(resolve(settings))["applications"].items()):
        for deployment, state in sorted(application["deployments"].items()):
            replicas = f"{len(state['replicas'])}/{state['target_num_replicas']}"
            table.add_row(name, application["status"], deployment, state["status"], replicas)
    Console().print(table)
