"""What an environment's cluster is like: what people choose, and what Terraform has made."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from libs.base.checked_yaml import read_file
from libs.base.environment import Environment, environment_folder
from libs.base.errors import DataError
from libs.base.frozen import Frozen
from libs.base.identifiers import Name

CLUSTERS = Path(__file__).parent / "clusters"
# Set in the pods: the file that `fitwave cluster render` has made of the two below.
FILE_VARIABLE = "FITWAVE_CLUSTER_FILE"
# The cluster of every environment that has none of its own.
_SHARED = "branches"

Gibibytes = Annotated[int, Field(ge=1)]


class Machine(Frozen):
    """What one pod asks for and may use: memory is a hard bound, CPUs are a share that may be exceeded."""

    cpus: float = Field(gt=0)
    memory_gib: Gibibytes


class Group(Machine):
    """Pods that Ray adds as they are needed and removes when they are idle."""

    min: int = Field(ge=0)
    max: int = Field(ge=1)


class Provisioned(Frozen):
    """What Terraform made for one environment: its output `manifests` (infra/terraform), which has no secrets."""

    host: str
    region: str
    image_repository: str
    lake_uri: str
    redis_address: str
    file_system_id: str
    target_group_arn: str
    load_balancer_cidrs: tuple[str, ...] = Field(min_length=1)
    private_cidrs: tuple[str, ...] = Field(min_length=1)


class Choices(Frozen):
    """The file `infra/kubernetes/clusters/NAME.yaml`.

    `settings` is what differs from the environment's own `environment.yaml` on the cluster, in the same keys: the
    numbers of replicas, above all. `retired_cluster_s` is how long an upgrade leaves the old pods to finish.
    """

    head: Machine
    serving: Group
    training: Group
    mlflow: Machine
    volume_gib: Gibibytes = 100
    idle_s: int = Field(default=300, ge=60)
    retired_cluster_s: int = Field(default=120, ge=60)
    settings: dict[str, Any] = Field(default_factory=dict)


class Cluster(Frozen):
    """One environment's cluster. `image`: what all its pods run."""

    environment: Name
    markets: tuple[Name, ...]
    image: str = Field(min_length=1)
    choices: Choices
    provisioned: Provisioned

    @property
    def namespace(self) -> str:
        """The environment's own."""
        return f"fitwave-{self.environment}"


def load_cluster(environment: str, image: str, provisioned: Path | None = None, name: str | None = None) -> Cluster:
    """Read an environment's cluster: `name`, by default the one named as the environment, or else the branches'.

    Raises:
        DataError: a file is absent or breaks the schema; Terraform made nothing for this environment.
    """
    own = (CLUSTERS / f"{environment}.yaml").is_file()
    name = name or (environment if own else _SHARED)
    path = CLUSTERS / f"{name}.yaml"
    if not path.is_file():
        raise DataError(f"no cluster {name!r}: there is {', '.join(sorted(p.stem for p in CLUSTERS.glob('*.yaml')))}")
    made = _read_provisioned(provisioned or CLUSTERS / f"{name}.provisioned.json", name)
    if environment not in made:
        raise DataError(
            f"Terraform has made nothing for environment {environment!r} on cluster {name!r}: add it to `environments` "
            f"in infra/terraform/environments/{name}, apply, and save the output again"
        )
    values = {
        "environment": environment,
        "markets": sorted(path.stem for path in (environment_folder(environment) / "markets").glob("*.yaml")),
        "image": image,
        "choices": read_file(path).values,
        "provisioned": made[environment],
    }
    return _checked(values, path)


def cluster_of_pod() -> Cluster:
    """The cluster that this process runs on.

    Raises:
        DataError: it runs on none; or the file is damaged.
    """
    if not (file := os.environ.get(FILE_VARIABLE)):
        raise DataError("this runs in a pod of the environment, as the Job that `fitwave cluster render` writes")
    path = Path(file)
    return _checked(json.loads(path.read_text(encoding="utf-8")), path)


def require_room(cluster: Cluster, environment: Environment, replicas_per_pod: int) -> None:
    """Raises: DataError: the serving pods cannot hold the replicas that the environment may have."""
    serving = environment.serving
    shared = (serving.gateway.replicas, serving.shadow_router, serving.feature_lookup, serving.pooled_size_model)
    # A challenger runs beside each champion, in as many replicas; the console is one more.
    most = sum(one.max for one in shared) + int(serving.console)
    for market in environment.markets.values():
        most += (2 if market.serving.dedicated else 1) * market.serving.size_model.max
    room = cluster.choices.serving.max * replicas_per_pod
    if most > room:
        raise DataError(
            f"environment {environment.name!r} may have {most} replicas, and its {cluster.choices.serving.max} serving "
            f"pods hold {room}: raise serving.max in the cluster's file, or lower replicas"
        )


def _read_provisioned(path: Path, name: str) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(
            f"{path} is absent: after `terraform apply`, save there what "
            f"`terraform -chdir=infra/terraform/environments/{name} output -json manifests` prints"
        ) from None
    except (json.JSONDecodeError, ValueError) as error:
        raise DataError(f"{path} is not what Terraform prints: {error}") from error


def _checked(values: dict[str, Any], path: Path) -> Cluster:
    try:
        return Cluster.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']} (got {fault['input']!r:.80})"
            for fault in error.errors()
        )
        raise DataError(f"{path} is not a valid cluster:\n{faults}") from error
