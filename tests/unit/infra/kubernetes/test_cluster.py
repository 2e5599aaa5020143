"""A cluster's files, and what is said when they are wrong; what an upgrade waits for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.kubernetes.cluster import Cluster, cluster_of_pod, load_cluster, require_room
from infra.kubernetes.cluster_config import config_map
from infra.kubernetes.deploy import endpoints_of, not_ready
from infra.kubernetes.workloads import scheduled_jobs
from libs.base.environment import Environment
from libs.base.errors import DataError
from tests.unit.infra.kubernetes.made_up import PROVISIONED

IMAGE = "registry.example.com/fitwave@sha256:1234"


def made(folder: Path, content: object) -> Path:
    path = folder / "provisioned.json"
    path.write_text(json.dumps(content))
    return path


def test_an_environment_with_a_cluster_of_its_own_is_on_it_and_others_share_one(tmp_path: Path) -> None:
    provisioned = made(tmp_path, {"main": PROVISIONED, "serving": PROVISIONED})
    main, serving = (load_cluster(name, IMAGE, provisioned) for name in ("main", "serving"))
    assert (main.namespace, serving.namespace) == ("fitwave-main", "fitwave-serving")
    assert main.choices.serving.max > serving.choices.serving.max
    assert main.markets == ("de", "uk", "us")


def test_what_terraform_has_not_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="output -json manifests"):
        load_cluster("main", IMAGE, tmp_path / "absent.json")
    with pytest.raises(DataError, match=r"nothing for environment 'main'.*`environments`"):
        load_cluster("main", IMAGE, made(tmp_path, {}))
    with pytest.raises(DataError, match=r"provisioned\.host: Field required"):
        load_cluster("main", IMAGE, made(tmp_path, {"main": {k: v for k, v in PROVISIONED.items() if k != "host"}}))
    with pytest.raises(DataError, match="no cluster 'mars': there is branches, main"):
        load_cluster("main", IMAGE, name="mars")


def test_pods_read_the_cluster_that_was_rendered(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(config_map(cluster)["data"]["cluster"])
    monkeypatch.setenv("FITWAVE_CLUSTER_FILE", str(file))
    assert cluster_of_pod() == cluster
    monkeypatch.delenv("FITWAVE_CLUSTER_FILE")
    with pytest.raises(DataError, match="in a pod"):
        cluster_of_pod()


def test_replicas_that_no_pod_has_room_for_are_refused(cluster: Cluster, environment: Environment) -> None:
    require_room(cluster, environment, replicas_per_pod=10)
    # Gateway 8, router 3, lookup 1, pooled model 1, console 1, and a challenger of each of two markets.
    with pytest.raises(DataError, match="may have 16 replicas, and its 10 serving pods hold 10"):
        require_room(cluster, environment, replicas_per_pod=1)


def test_a_cron_job_has_a_name_that_kubernetes_takes_however_long_the_environments_is(
    cluster: Cluster, environment: Environment
) -> None:
    markets = {name: environment.market("us") for name in ("us-west", "us-east")}
    long = environment.model_copy(update={"name": "e" * 40, "markets": markets})
    names = [job["metadata"]["name"] for job in scheduled_jobs(cluster, long)]
    assert len(set(names)) == len(names) == 4
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{0,50}[a-z0-9]", name) for name in names)


def test_a_clusters_addresses_are_those_that_its_pods_are_given(environment: Environment) -> None:
    with pytest.raises(DataError, match="mlflow_uri, ray_address, ray_dashboard_url, redis_url is not set"):
        endpoints_of(environment)
    given = {
        "redis_url": "env:FITWAVE_SECRET_REDIS_URL",
        "mlflow_uri": "http://mlflow:5000",
        "ray_address": "head:6379",
        "ray_dashboard_url": "http://head:8265",
    }
    endpoints = endpoints_of(environment.model_copy(update=given))
    assert endpoints.on_kubernetes
    assert endpoints.gateway_port == 8000


READY = {"type": "Ready", "status": "True", "message": ""}


@pytest.mark.parametrize(
    ("status", "waits_for"),
    [
        ({}, "KubeRay has not seen it yet"),
        ({"observedGeneration": 1, "conditions": [READY]}, "KubeRay has not seen it yet"),
        (
            {"observedGeneration": 2, "conditions": [READY], "pendingServiceStatus": {"rayClusterName": "next"}},
            "the new cluster is coming up",
        ),
        (
            {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "False", "message": "no endpoint"}]},
            "no endpoint",
        ),
        ({"observedGeneration": 2, "conditions": [READY], "pendingServiceStatus": {}}, ""),
    ],
    ids=["new", "seen before", "upgrading", "not ready", "ready"],
)
def test_a_deployment_has_ended_when_the_new_cluster_answers(status: dict[str, Any], waits_for: str) -> None:
    assert not_ready(status, generation=2) == waits_for
