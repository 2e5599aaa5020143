"""A deployment: image and document in one write, the ledger followed until the new cluster answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.kubernetes import deploy as deployment
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.deploy import deploy
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.models.contract import ModelRef
from libs.models.ray_service import RayService
from libs.models.serving_plan import LiveState
from tests.unit.infra.kubernetes.made_up import ENDPOINTS
from tests.unit.libs.models.kubernetes_api import TOKEN, Api, serving

COMING = {"observedGeneration": 1, "pendingServiceStatus": {"rayClusterName": "next"}}
READY = {"observedGeneration": 9, "conditions": [{"type": "Ready", "status": "True"}]}


@dataclass
class Ledger:
    """Champions of market `de`, one after the other: each look sees the next one."""

    environment: Environment
    champions: list[str]
    endpoints: Endpoints = ENDPOINTS
    said: list[str] = field(default_factory=list)

    @contextmanager
    def unchanging(self) -> Iterator[LiveState]:
        champion = self.champions.pop(0) if len(self.champions) > 1 else self.champions[0]
        yield LiveState({"de": ModelRef(champion, f"/models/{champion}", "0" * 64)}, {})

    def publish(self) -> None:
        self.said.append("published")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(deployment, "_LOOK_EVERY_S", 0.01)
    with serving(Api()) as one:
        yield one


@pytest.fixture
def service(api: Api, cluster: Cluster, tmp_path: Path) -> RayService:
    (tmp_path / "token").write_text(TOKEN)
    return RayService(cluster.namespace, "fitwave", cluster.image, api.url, tmp_path)


def champion(api: Api) -> Any:
    assert api.held is not None
    gateway = yaml.safe_load(api.held["spec"]["serveConfigV2"])["applications"][0]["deployments"][0]
    return gateway["user_config"]["markets"]["de"]["champion"]


def test_the_ray_service_is_put_with_the_champion_of_now_and_waited_for(
    api: Api, service: RayService, cluster: Cluster, environment: Environment
) -> None:
    api.statuses = [{}, COMING, READY]
    ledger = Ledger(environment, ["7"])
    deploy(cluster, ledger, service, ledger.said.append, timeout_s=30)
    assert champion(api) == "7"
    assert ledger.said == [
        f"RayService fitwave-shop/fitwave is to run {cluster.image} (generation 1)",
        "published",
        "answering at https://fit.example.com",
    ]


def test_what_changes_during_an_upgrade_is_what_the_new_cluster_begins_with(
    api: Api, service: RayService, cluster: Cluster, environment: Environment
) -> None:
    api.statuses = [COMING, COMING, COMING, READY]
    ledger = Ledger(environment, ["7", "7", "8"])
    deploy(cluster, ledger, service, ledger.said.append, timeout_s=30)
    assert champion(api) == "8"


def test_a_cluster_that_does_not_come_up_is_said_to_and_nothing_is_published(
    api: Api, service: RayService, cluster: Cluster, environment: Environment
) -> None:
    api.statuses = [COMING]
    ledger = Ledger(environment, ["7"])
    with pytest.raises(TransientError, match="the new cluster is coming up"):
        deploy(cluster, ledger, service, ledger.said.append, timeout_s=0.05)
    assert "published" not in ledger.said
