"""`fitwave cluster`: an environment on Kubernetes."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from libs.base.environment import load_environment

app = App(name="cluster", help="An environment on Kubernetes: manifests, and the RayService.")

EnvironmentName = Annotated[str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")]


@app.command
def render(
    *,
    image: Annotated[str, Parameter(help="What all pods run, by digest: REPOSITORY@sha256:...")],
    out: Annotated[Path, Parameter(help="The folder to write; files of the same names are replaced.")],
    cluster: Annotated[str | None, Parameter(help="A file of infra/kubernetes/clusters; default: its own.")] = None,
    provisioned: Annotated[Path | None, Parameter(help="What Terraform's output `manifests` said.")] = None,
    environment: EnvironmentName = None,
) -> None:
    """Write the manifests of an environment, for `kubectl apply -k`."""
    from infra.kubernetes.cluster import load_cluster, require_room
    from infra.kubernetes.cluster_config import environment_on
    from infra.kubernetes.manifests import write
    from infra.kubernetes.ray_service import REPLICAS_PER_POD

    found = load_cluster(load_environment(environment).name, image, provisioned, cluster)
    settings = environment_on(found)
    require_room(found, settings, REPLICAS_PER_POD)
    write(out, found, settings)
    print(f"kubectl apply -k {out}")


@app.command
def deploy(
    *,
    minutes: Annotated[float, Parameter(help="How long an upgrade may take.")] = 50.0,
    environment: EnvironmentName = None,
) -> None:
    """Make the RayService what image, config and ledger say; a Job of the manifests runs this in the cluster."""
    from rich.console import Console

    from infra.kubernetes.cluster import cluster_of_pod
    from infra.kubernetes.deploy import deploy as see_through
    from infra.kubernetes.deploy import endpoints_of
    from libs.base.endpoints import leave
    from libs.models.lifecycle import Lifecycle
    from libs.models.ray_service import RayService

    cluster, settings, service = cluster_of_pod(), load_environment(environment), RayService.of_process()
    endpoints = endpoints_of(settings)
    leave(settings, endpoints)
    see_through(cluster, Lifecycle.of(settings, endpoints), service, Console().log, minutes * 60)
