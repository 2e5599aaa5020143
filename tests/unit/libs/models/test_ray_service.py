"""KubeRay never knows an older document than the ledger's: who writes it, when, and who may not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.base.endpoints import Endpoints
from libs.base.errors import DataError, TransientError
from libs.models.ray_service import RayService, as_text
from libs.models.serve_api import apply
from libs.models.serving_plan import LiveState, render
from tests.environments import SMALL_MARKET, environment_in
from tests.unit.libs.models.kubernetes_api import PATH, TOKEN, Api, serving

OLD, NEW = "registry.example.com/fitwave@sha256:01d", "registry.example.com/fitwave@sha256:0e3"
DOCUMENT = {"applications": [{"name": "fitwave-shop", "route_prefix": "/"}]}


def manifest(image: str, document: dict[str, Any]) -> dict[str, Any]:
    head = {"template": {"spec": {"containers": [{"name": "ray-head", "image": image}]}}}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "fitwave"},
        "spec": {"serveConfigV2": as_text(document), "rayClusterConfig": {"headGroupSpec": head}},
    }


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as one:
        yield one


@pytest.fixture
def service(api: Api, tmp_path: Path) -> RayService:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return RayService("fitwave-shop", "fitwave", OLD, api.url, tmp_path)


def known(api: Api) -> Any:
    assert api.held is not None
    return yaml.safe_load(api.held["spec"]["serveConfigV2"])


def test_it_is_created_and_then_changed_by_the_same_write(api: Api, service: RayService) -> None:
    assert service.put(manifest(OLD, DOCUMENT)) == 1
    assert service.put(manifest(OLD, DOCUMENT)) == 1
    assert service.put(manifest(NEW, {"applications": []})) == 2
    assert known(api) == {"applications": []}


def test_a_change_of_roles_is_kept_and_the_same_one_twice_changes_nothing(api: Api, service: RayService) -> None:
    service.put(manifest(OLD, {"applications": []}))
    assert service.keep(DOCUMENT) == 2
    assert service.keep(DOCUMENT) == 2
    assert known(api) == DOCUMENT


def test_a_document_of_another_images_code_is_refused_and_the_new_images_stays(api: Api, service: RayService) -> None:
    service.put(manifest(NEW, DOCUMENT))
    with pytest.raises(TransientError, match=r"being upgraded from .*01d to another image"):
        service.keep({"applications": []})
    assert known(api) == DOCUMENT


def test_kuberay_knows_a_document_before_serve_does(
    api: Api, service: RayService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the two leaves the newer one with KubeRay, which gives it to Serve."""
    monkeypatch.setattr(RayService, "of_process", lambda: service)
    service.put(manifest(OLD, {"applications": []}))
    environment = environment_in(tmp_path, "shop", {"de": SMALL_MARKET})
    endpoints = at(api)
    document = render(environment, endpoints, LiveState({}, {}))
    api.asked.clear()
    apply(endpoints, document)
    assert [one for one in api.asked if not one.startswith("GET")] == [f"PATCH {PATH}", "PUT /api/serve/applications/"]
    assert known(api) == document


def test_what_kuberay_does_not_take_serve_is_not_given(
    api: Api, service: RayService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RayService, "of_process", lambda: service)
    api.fails_with = 503
    with pytest.raises(TransientError, match="503"):
        apply(at(api), DOCUMENT)
    assert api.running == {}


def test_outside_of_kubernetes_nobody_is_asked(api: Api) -> None:
    apply(at(api).model_copy(update={"on_kubernetes": False}), DOCUMENT)
    assert {one.partition(" ")[2] for one in api.asked} == {"/api/serve/applications/"}


@pytest.mark.parametrize(("status", "kind"), [(409, TransientError), (429, TransientError), (403, DataError)])
def test_what_may_pass_and_what_will_not(status: int, kind: type[Exception], api: Api, service: RayService) -> None:
    api.fails_with = status
    with pytest.raises(kind, match=f"Kubernetes answered {status} for RayService fitwave-shop/fitwave"):
        service.status()


def test_an_api_that_is_away_may_come_back(service: RayService, tmp_path: Path) -> None:
    away = RayService("fitwave-shop", "fitwave", OLD, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(TransientError, match="does not answer"):
        away.status()


def test_a_process_in_no_pod_is_told_where_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FITWAVE_RAY_SERVICE", raising=False)
    with pytest.raises(DataError, match="kubectl exec"):
        RayService.of_process()


def test_a_process_in_a_pod_knows_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITWAVE_RAY_SERVICE", "fitwave-shop/fitwave")
    monkeypatch.setenv("FITWAVE_IMAGE", OLD)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    own = RayService.of_process()
    assert (own.namespace, own.name, own.image, own.api) == ("fitwave-shop", "fitwave", OLD, "https://10.0.0.1:443")


def at(api: Api) -> Endpoints:
    return Endpoints(
        redis_url="env:REDIS",
        mlflow_uri="http://mlflow:5000",
        ray_address="head:6379",
        ray_dashboard_url=api.url,
        gateway_port=8000,
        on_kubernetes=True,
    )
