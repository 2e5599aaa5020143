"""Makes the RayService what image, config and ledger say, and stays until it answers.

One write holds the image and the document that this image's code makes of the ledger of now. KubeRay brings a new
cluster up beside the old one where the image has changed, which takes minutes; whatever changes roles meanwhile is
followed, so that the new cluster never begins with a champion of before.
"""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from infra.kubernetes.cluster import Cluster, require_room
from infra.kubernetes.ray_service import GATEWAY_PORT, REPLICAS_PER_POD, ray_service
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError, TransientError
from libs.models.ray_service import RayService
from libs.models.serving_plan import LiveState, render

_LOOK_EVERY_S = 5.0


def endpoints_of(environment: Environment) -> Endpoints:
    """The addresses in a cluster, by the variables that every pod has; none of them holds a secret.

    Raises:
        DataError: one is missing.
    """
    addresses = {
        "redis_url": environment.redis_url,
        "mlflow_uri": environment.mlflow_uri,
        "ray_address": environment.ray_address,
        "ray_dashboard_url": environment.ray_dashboard_url,
    }
    if missing := sorted(name for name, address in addresses.items() if address is None):
        raise DataError(f"a cluster starts no stores of its own, and {', '.join(missing)} is not set")
    token = os.environ.get("RAY_AUTH_TOKEN_PATH")
    cluster = {"ray_token_path": token and Path(token), "gateway_port": GATEWAY_PORT, "on_kubernetes": True}
    return Endpoints.model_validate(addresses | cluster | {"otlp_endpoint": environment.otlp_endpoint})


class Roles(Protocol):
    """Of a `Lifecycle`, what a deployment needs."""

    @property
    def environment(self) -> Environment: ...

    @property
    def endpoints(self) -> Endpoints: ...

    def unchanging(self) -> AbstractContextManager[LiveState]: ...

    def publish(self) -> None: ...


def deploy(
    cluster: Cluster, roles: Roles, service: RayService, notify: Callable[[str], None], timeout_s: float
) -> None:
    """Put the RayService, see it through, and have registry and Serve follow the ledger.

    Raises:
        DataError: Kubernetes or Serve refuses it, or the pods have no room.
        TransientError: a store, MLflow or Kubernetes is away; or it does not answer in time.
    """
    require_room(cluster, roles.environment, REPLICAS_PER_POD)
    with roles.unchanging() as state:
        document = render(roles.environment, roles.endpoints, state)
        generation = service.put(ray_service(cluster, roles.environment, document))
    notify(f"RayService {service.namespace}/{service.name} is to run {cluster.image} (generation {generation})")
    deadline = time.monotonic() + timeout_s
    while waiting := not_ready(service.status(), generation):
        if time.monotonic() > deadline:
            raise TransientError(f"not answering after {timeout_s:g} s: {waiting}. The old cluster goes on meanwhile.")
        time.sleep(_LOOK_EVERY_S)
        generation = _follow(roles, service)
    roles.publish()
    notify(f"answering at https://{cluster.provisioned.host}")


def _follow(roles: Roles, service: RayService) -> int:
    """Have the RayService know what the ledger says now; its generation."""
    with roles.unchanging() as state:
        return service.keep(render(roles.environment, roles.endpoints, state))


def not_ready(status: dict[str, Any], generation: int) -> str:
    """What a RayService still lacks; empty if nothing."""
    conditions = {one["type"]: one for one in status.get("conditions") or []}
    if int(status.get("observedGeneration") or 0) < generation:
        return "KubeRay has not seen it yet"
    if (status.get("pendingServiceStatus") or {}).get("rayClusterName"):
        return "the new cluster is coming up"
    ready = conditions.get("Ready") or {}
    return "" if ready.get("status") == "True" else str(ready.get("message") or "KubeRay has not said that it is ready")
