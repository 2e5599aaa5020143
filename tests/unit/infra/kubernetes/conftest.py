"""One environment on a made-up cluster, and all that is rendered of it."""

from pathlib import Path
from typing import Any

import pytest

from infra.kubernetes.cluster import Cluster
from infra.kubernetes.cluster_config import environment_on
from infra.kubernetes.manifests import manifests
from infra.kubernetes.ray_service import ray_service
from libs.base.environment import Environment
from libs.models.serving_plan import LiveState, render
from tests.unit.infra.kubernetes.made_up import ENDPOINTS, cluster_in


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    return cluster_in(tmp_path)


@pytest.fixture
def environment(cluster: Cluster) -> Environment:
    return environment_on(cluster)


@pytest.fixture
def service(cluster: Cluster, environment: Environment) -> dict[str, Any]:
    """The RayService of an environment in which nothing is live yet."""
    return ray_service(cluster, environment, render(environment, ENDPOINTS, LiveState({}, {})))


@pytest.fixture
def files(cluster: Cluster, environment: Environment) -> dict[str, list[dict[str, Any]]]:
    return manifests(cluster, environment)
