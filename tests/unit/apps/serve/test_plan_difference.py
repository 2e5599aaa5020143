"""What a deployment would change is said value by value, with what it does to the replicas."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from apps.serve.plan_difference import ALL_ANEW, ANEW, LIVING, SCALED, WITH_THE_CLUSTER, differences
from libs.base.endpoints import Endpoints
from libs.models.contract import ModelRef
from libs.models.serving_plan import Challenger, LiveState, render
from tests.environments import SMALL_MARKET, environment_in

ENDPOINTS = Endpoints(
    redis_url="redis://:hunter2@127.0.0.1:1",
    mlflow_uri="sqlite:///nowhere",
    ray_address="127.0.0.1:2",
    ray_dashboard_url="http://127.0.0.1:3",
    gateway_port=4,
)


def version(number: str) -> ModelRef:
    return ModelRef(number, f"/models/{number}", f"hash of {number}")


FIRST = LiveState({"de": version("1")}, {})


def document(
    folder: Path,
    serving: Mapping[str, Any] | None = None,
    state: LiveState = FIRST,
    endpoints: Endpoints = ENDPOINTS,
    market: Mapping[str, Any] = SMALL_MARKET,
) -> dict[str, Any]:
    settings = {"state_dir": "/var", "serving": {"console": False, **(serving or {})}}
    return render(environment_in(folder, "test", {"de": market}, settings), endpoints, state)


def running(document: dict[str, Any]) -> dict[str, Any]:
    """What Serve says when it runs this document; it fills in what the document leaves open."""
    applications = {}
    for application in document["applications"]:
        filled = [{**one, "max_queued_requests": -1, "num_replicas": None} | one for one in application["deployments"]]
        config = {**application, "deployments": filled, "external_scaler_enabled": False}
        applications[application["name"]] = {"status": "RUNNING", "deployed_app_config": config}
    return {"applications": applications, "http_options": {**document["http_options"], "keep_alive_timeout_s": 5}}


@pytest.fixture
def said(tmp_path: Path) -> Any:
    """What is said when a document made from these arguments would follow the first one."""

    def differ(**wanted: Any) -> list[str]:
        first = running(document(tmp_path / "first"))
        return [str(change) for change in differences(first, document(tmp_path / "then", **wanted))]

    return differ


def test_the_same_document_changes_nothing(said: Any) -> None:
    assert said() == []


def test_an_edited_number_of_replicas_leaves_the_living_ones(said: Any) -> None:
    assert said(serving={"shadow_router": {"min": 3, "max": 3}}) == [
        f"fitwave-test ShadowRouter: replicas: 1 -> 3 ({SCALED})"
    ]


def test_a_first_range_of_replicas_is_new_code_to_serve(said: Any) -> None:
    assert said(serving={"shadow_router": {"min": 1, "max": 3}}) == [
        f"fitwave-test: deployments that scale by themselves: none -> ShadowRouter ({ALL_ANEW})",
        f"fitwave-test ShadowRouter: replicas: 1 -> 1..3 ({SCALED})",
    ]


def test_another_bound_of_a_range_is_not(tmp_path: Path) -> None:
    before = running(document(tmp_path / "first", {"shadow_router": {"min": 1, "max": 3}}))
    after = document(tmp_path / "then", {"shadow_router": {"min": 2, "max": 8}})
    assert [str(one) for one in differences(before, after)] == [
        f"fitwave-test ShadowRouter: replicas: 1..3 -> 2..8 ({SCALED})"
    ]


def test_a_promotion_is_taken_by_the_living_replicas_and_told_by_its_version(said: Any) -> None:
    assert said(state=LiveState({"de": version("2")}, {})) == [
        f"fitwave-test Gateway: markets.de.champion: 1 -> 2 ({LIVING})",
        f"fitwave-test SizeModel: models.de: v1 -> v2 ({LIVING})",
    ]


def test_a_challenger_starts_beside_the_live_application_and_ends_alone(tmp_path: Path, said: Any) -> None:
    state = LiveState({"de": version("1")}, {"de": Challenger(version("2"), "w1")})
    assert said(state=state) == [
        f"fitwave-test ShadowRouter: markets.de.challenger: none -> v2 ({LIVING})",
        "fitwave-test__challenger__de SizeModel: replicas: none -> 1 (starts)",
    ]
    back = differences(running(document(tmp_path / "with", state=state)), document(tmp_path / "without"))
    assert [str(one) for one in back] == [
        f"fitwave-test ShadowRouter: markets.de.challenger: v2 -> none ({LIVING})",
        "fitwave-test__challenger__de: no longer listed (ends)",
    ]


def test_an_argument_starts_everything_anew_and_a_password_is_not_shown(said: Any) -> None:
    moved = ENDPOINTS.model_copy(update={"redis_url": "redis://:hunter3@stores:1"})
    assert said(endpoints=moved) == [
        f"fitwave-test: args.redis_url: redis://***@127.0.0.1:1 -> redis://***@stores:1 ({ALL_ANEW})"
    ]


def test_a_limit_of_the_gateway_is_an_argument_and_one_of_http_waits_for_the_cluster(said: Any) -> None:
    assert said(serving={"gateway": {"timeout_s": 7.0}}) == [
        f"HTTP: request_timeout_s: 6.0 -> 8.0 ({WITH_THE_CLUSTER})",
        f"fitwave-test: args.gateway.timeout_s: 5.0 -> 7.0 ({ALL_ANEW})",
    ]


def test_a_dedicated_market_has_a_deployment_of_its_own(said: Any) -> None:
    lines = said(market={**SMALL_MARKET, "serving": {"dedicated": True, "size_model": {"min": 2, "max": 2}}})
    assert "fitwave-test SizeModel-de: replicas: none -> 2 (starts)" in lines
    assert f'fitwave-test: args.dedicated: [] -> ["de"] ({ALL_ANEW})' in lines


def test_what_a_replica_reserves_starts_only_its_deployment_anew(tmp_path: Path) -> None:
    before, after = document(tmp_path / "first"), document(tmp_path / "then")
    after["applications"][0]["deployments"][1]["ray_actor_options"] = {"num_cpus": 2}
    assert [str(one) for one in differences(running(before), after)] == [
        f"fitwave-test ShadowRouter: ray_actor_options.num_cpus: 0.1 -> 2 ({ANEW})"
    ]


def test_where_nothing_runs_everything_starts(tmp_path: Path) -> None:
    found = differences({"applications": {}}, document(tmp_path))
    assert {one.deployment for one in found} == {"Gateway", "ShadowRouter", "FeatureLookup", "SizeModel"}
    assert {one.effect for one in found} == {"starts"}
