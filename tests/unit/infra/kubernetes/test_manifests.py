"""What is applied to a cluster: Kubernetes takes it, and it is as closed and as available as it should be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.shadow.schedule import cron_jobs as looks
from apps.trainer.schedule import cron_jobs as weeks
from infra.kubernetes.cluster import CLUSTERS, Cluster, load_cluster, require_room
from infra.kubernetes.cluster_config import environment_on
from infra.kubernetes.manifests import manifests, write
from infra.kubernetes.ray_service import REPLICAS_PER_POD, ray_service
from libs.base.environment import REPOSITORY, Environment
from libs.models.contract import ModelRef
from libs.models.ray_service import as_text
from libs.models.serving_plan import Challenger, LiveState, render
from tests.unit.infra.kubernetes.made_up import ENDPOINTS, PROVISIONED, SERVICE_DOCUMENT
from tests.unit.infra.kubernetes.schemas import faults
from tests.unit.infra.kubernetes.snapshots import RENDERED

Json = dict[str, Any]


def pods(files: dict[str, list[Json]], service: Json) -> Iterator[tuple[str, Json]]:
    """Every pod template that is rendered, by what it is."""
    for manifest in (one for found in files.values() for one in found):
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield manifest["metadata"]["name"], spec["template"]
    ray = service["spec"]["rayClusterConfig"]
    yield "head", ray["headGroupSpec"]["template"]
    for group in ray["workerGroupSpecs"]:
        yield group["groupName"], group["template"]


def test_kubernetes_takes_every_manifest(files: dict[str, list[Json]]) -> None:
    found = {f"{one['kind']} {one['metadata']['name']}": faults(one) for all_ in files.values() for one in all_}
    assert len(found) > 25
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_kuberay_takes_the_ray_service(service: Json) -> None:
    assert faults(service) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("replica",), 2),
        (("rayClusterConfig", "headGroupSpec", "template", "spec", "restartPolicies"), "Never"),
        (("rayClusterConfig", "workerGroupSpecs", 0, "minReplicas"), "two"),
    ],
    ids=["of the service", "of a pod", "a number"],
)
def test_a_fault_is_found(service: Json, place: tuple[str | int, ...], value: object) -> None:
    inner: Any = service["spec"]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    assert len(faults(service)) == 1


@pytest.mark.parametrize("name", sorted(path.stem for path in CLUSTERS.glob("*.yaml")))
def test_the_clusters_that_are_here_can_be_rendered(name: str, tmp_path: Path) -> None:
    made = tmp_path / "provisioned.json"
    made.write_text(json.dumps({"main": PROVISIONED}))
    cluster = load_cluster("main", "registry.example.com/fitwave@sha256:1234", made, name)
    environment = environment_on(cluster)
    if name == "main":
        require_room(cluster, environment, REPLICAS_PER_POD)
    document = render(environment, ENDPOINTS, LiveState({}, {}))
    everything = [one for found in manifests(cluster, environment).values() for one in found]
    assert [wrong for one in everything for wrong in faults(one)] == []
    assert faults(ray_service(cluster, environment, document)) == []


def test_what_is_rendered_is_what_was_looked_at(cluster: Cluster, environment: Environment, tmp_path: Path) -> None:
    """Render it again after a wanted change: `python -m tests.unit.infra.kubernetes.snapshots`."""
    write(tmp_path / "shop", cluster, environment)
    written = {path.name: path.read_text() for path in (tmp_path / "shop").iterdir()}
    assert written == {path.name: path.read_text() for path in RENDERED.iterdir() if path.name != "ray_service.yaml"}


def test_the_ray_service_is_what_was_looked_at(service: Json) -> None:
    """All but its document, which is the product's own, whatever that is."""
    service["spec"]["serveConfigV2"] = SERVICE_DOCUMENT
    assert yaml.safe_load((RENDERED / "ray_service.yaml").read_text()) == service


def test_the_serve_document_is_the_products_own_of_the_ledger_of_now(
    cluster: Cluster, environment: Environment
) -> None:
    champion = ModelRef("7", "/var/lib/fitwave/shop/mlflow/artifacts/de/7/package", "0" * 64)
    challenger = Challenger(ModelRef("8", "/var/lib/fitwave/shop/mlflow/artifacts/de/8/package", "1" * 64), "w1")
    document = render(environment, ENDPOINTS, LiveState({"de": champion}, {"de": challenger}))
    carried = ray_service(cluster, environment, document)["spec"]["serveConfigV2"]
    assert carried == as_text(document)
    assert yaml.safe_load(carried) == document
    assert [one["name"] for one in document["applications"]] == [
        "fitwave-shop",
        "fitwave-shop__challenger__de",
        "fitwave-shop__console",
    ]


def test_no_manifest_that_is_applied_by_hand_carries_a_serve_document(files: dict[str, list[Json]]) -> None:
    """It would be one of before as soon as a role changes hands."""
    assert "RayService" not in {one["kind"] for found in files.values() for one in found}
    assert "serveConfigV2" not in yaml.safe_dump(files)


def test_replicas_are_those_of_the_environment_with_what_the_cluster_lays_over(
    environment: Environment, files: dict[str, list[Json]]
) -> None:
    serving = environment.serving
    assert (serving.gateway.replicas.min, serving.gateway.replicas.max) == (2, 8)
    assert (serving.shadow_router.min, serving.shadow_router.max) == (3, 3)
    [config] = files["config.yaml"]
    assert yaml.safe_load(config["data"]["environment"])["serving"]["gateway"] == {"replicas": {"min": 2, "max": 8}}
    deployments = render(environment, ENDPOINTS, LiveState({}, {}))["applications"][0]["deployments"]
    gateway, router = deployments[:2]
    assert gateway["autoscaling_config"]["max_replicas"] == 8
    assert router["num_replicas"] == 3


def test_no_secret_is_in_a_manifest_and_each_comes_by_reference(files: dict[str, list[Json]], service: Json) -> None:
    names = {one["name"] for _, pod in pods(files, service) for one in pod["spec"]["containers"][0]["env"]}
    assert "FITWAVE_SECRET_REDIS_URL" in names
    for _, pod in pods(files, service):
        env = {one["name"]: one for one in pod["spec"]["containers"][0]["env"]}
        assert env["FITWAVE_SECRET_REDIS_URL"]["valueFrom"]["secretKeyRef"] == {"name": "fitwave", "key": "redis-url"}
        assert env["FITWAVE_REDIS_URL"]["value"] == "env:FITWAVE_SECRET_REDIS_URL"
        assert "value" not in env["FITWAVE_SECRET_REDIS_URL"]
    ray = service["spec"]["rayClusterConfig"]
    assert ray["authOptions"] == {"mode": "token", "secretName": "fitwave-ray"}
    assert ray["gcsFaultToleranceOptions"]["redisPassword"] == {
        "valueFrom": {"secretKeyRef": {"name": "fitwave", "key": "redis-password"}}
    }
    assert "redis_url: env:FITWAVE_SECRET_REDIS_URL" in service["spec"]["serveConfigV2"]
    assert "Secret" not in {one["kind"] for found in files.values() for one in found}


def test_no_pod_may_more_than_it_must(files: dict[str, list[Json]], service: Json) -> None:
    found = dict(pods(files, service))
    assert {"head", "serving", "training", "mlflow", "fitwave-shop-de"} <= set(found)
    autoscaler = service["spec"]["rayClusterConfig"]["autoscalerOptions"]["securityContext"]
    for name, pod in found.items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        assert all("hostPath" not in volume for volume in spec["volumes"]), name
        for security in (spec["containers"][0]["securityContext"], autoscaler):
            assert not security["allowPrivilegeEscalation"], name
            assert security["readOnlyRootFilesystem"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        written = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"] if not mount.get("readOnly")}
        assert "/tmp" in written, f"{name}: a library always finds something to write"


def test_every_pod_says_what_it_takes_and_what_it_may(files: dict[str, list[Json]], service: Json) -> None:
    for name, pod in pods(files, service):
        resources = pod["spec"]["containers"][0]["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys(), name
        assert resources["limits"]["memory"] == resources["requests"]["memory"], name


def test_whoever_answers_for_long_is_asked_whether_it_does(files: dict[str, list[Json]], service: Json) -> None:
    for name, pod in pods(files, service):
        if name in ("head", "serving", "training", "mlflow"):
            ray = pod["spec"]["containers"][0]
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= ray.keys(), name
    serving = dict(pods(files, service))["serving"]["spec"]["containers"][0]
    assert serving["readinessProbe"]["httpGet"]["path"] == "/-/healthz"


def test_serving_pods_are_spread_and_all_but_one_stay(files: dict[str, list[Json]], service: Json) -> None:
    serving = dict(pods(files, service))["serving"]
    keys = {one["topologyKey"] for one in serving["spec"]["topologySpreadConstraints"]}
    assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    [budget] = [one for one in files["gateway.yaml"] if one["kind"] == "PodDisruptionBudget"]
    assert budget["spec"]["minAvailable"] == 1
    assert budget["spec"]["selector"]["matchLabels"].items() <= serving["metadata"]["labels"].items()


def test_ray_adds_pods_and_its_head_survives(service: Json) -> None:
    ray = service["spec"]["rayClusterConfig"]
    assert ray["enableInTreeAutoscaling"]
    assert ray["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert ray["gcsFaultToleranceOptions"]["redisAddress"].startswith("rediss://")
    bounds = {one["groupName"]: (one["minReplicas"], one["maxReplicas"]) for one in ray["workerGroupSpecs"]}
    assert bounds == {"serving": (2, 10), "training": (0, 4)}


def test_replicas_go_where_the_load_balancer_looks(service: Json) -> None:
    document = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert document["proxy_location"] == "EveryNode"
    assert document["http_options"]["host"] == "0.0.0.0"
    for application in document["applications"]:
        for deployment in application["deployments"]:
            assert deployment["ray_actor_options"]["resources"] == {"serves": 0.001}
    serving, training = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert yaml.safe_load(yaml.safe_load(serving["rayStartParams"]["resources"])) == {"serves": 1000}
    assert "resources" not in training["rayStartParams"]


def test_what_is_done_by_the_clock_are_the_cron_jobs_that_the_schedules_print(
    cluster: Cluster, environment: Environment, files: dict[str, list[Json]]
) -> None:
    printed = [*weeks(environment, cluster.image), *looks(environment, cluster.image)]
    assert {"fitwave-shop-de", "fitwave-shop-us"} < {one["metadata"]["name"] for one in printed}
    for made, source in zip(files["schedule.yaml"], printed, strict=True):
        assert made["metadata"] == source["metadata"]
        told = {key: value for key, value in source["spec"].items() if key != "jobTemplate"}
        assert told.items() <= made["spec"].items()
        [runs], [printed_runs] = (
            one["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"] for one in (made, source)
        )
        assert runs["command"] == printed_runs["command"]


def test_who_changes_roles_may_speak_to_kubernetes_and_who_only_submits_may_not(files: dict[str, list[Json]]) -> None:
    for job in files["schedule.yaml"]:
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        changes_roles = pod["containers"][0]["command"][1] == "shadow"
        assert pod["automountServiceAccountToken"] == changes_roles, job["metadata"]["name"]
    [patching] = [one for one in files["access.yaml"] if one["kind"] == "Role" and one["metadata"]["name"] == "fitwave"]
    assert patching["rules"] == [
        {
            "apiGroups": ["ray.io"],
            "resources": ["rayservices"],
            "resourceNames": ["fitwave"],
            "verbs": ["get", "patch"],
        }
    ]


def test_a_deployment_is_a_job_of_its_own_for_each_image_and_each_config(
    cluster: Cluster, environment: Environment, files: dict[str, list[Json]]
) -> None:
    [job] = files["deploy.yaml"]
    again = manifests(cluster, environment)["deploy.yaml"][0]
    other_image = cluster.model_copy(update={"image": "registry.example.com/fitwave@sha256:5678"})
    choices = cluster.choices.model_copy(update={"idle_s": 600})
    other_choices = cluster.model_copy(update={"choices": choices})
    names = [manifests(one, environment)["deploy.yaml"][0]["metadata"]["name"] for one in (other_image, other_choices)]
    assert job["metadata"]["name"] == again["metadata"]["name"]
    assert len({job["metadata"]["name"], *names}) == 3


def test_what_is_written_is_a_kustomization_of_all_its_files(
    cluster: Cluster, environment: Environment, tmp_path: Path
) -> None:
    write(tmp_path / "out", cluster, environment)
    kustomization = yaml.safe_load((tmp_path / "out" / "kustomization.yaml").read_text())
    others = {path.name for path in (tmp_path / "out").iterdir()} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == others
    assert kustomization["namespace"] == "fitwave-shop"


def test_what_a_cluster_has_once_kubernetes_takes_too() -> None:
    folder = REPOSITORY / "infra" / "kubernetes" / "platform"
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    found = [one for name in kustomization["resources"] for one in yaml.safe_load_all((folder / name).read_text())]
    assert found
    assert [wrong for one in found for wrong in faults(one)] == []
