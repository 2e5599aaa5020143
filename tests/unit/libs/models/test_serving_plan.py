"""The document that Serve is given."""

from pathlib import Path
from typing import Any

import pytest

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.models.contract import ModelRef
from libs.models.serving_plan import Challenger, LiveState, render
from tests.environments import SMALL_MARKET, environment_in

ENDPOINTS = Endpoints(
    redis_url="redis://127.0.0.1:1",
    mlflow_uri="sqlite:///nowhere",
    ray_address="127.0.0.1:2",
    ray_dashboard_url="http://127.0.0.1:3",
    ray_token_path=None,
    gateway_port=4,
)
TWO = {"min": 2, "max": 2}


def live(folder: Path, serving: dict[str, Any]) -> dict[str, Any]:
    """The live application for these settings."""
    environment = environment_in(folder, "test", {"de": SMALL_MARKET}, {"serving": serving, "state_dir": "/var"})
    application: dict[str, Any] = render(environment, ENDPOINTS, LiveState({}, {}))["applications"][0]
    return application


@pytest.mark.parametrize(
    "serving",
    [
        {"gateway": {"replicas": TWO}},
        {"shadow_router": TWO},
        {"feature_lookup": TWO},
        {"pooled_size_model": TWO},
        {"gateway": {"max_requests_at_once": 7, "max_requests_queued": 7}},
    ],
    ids=lambda serving: next(iter(serving)),
)
def test_scaling_leaves_the_applications_arguments_alone_or_serve_would_start_all_of_it_anew(
    serving: dict[str, Any], tmp_path: Path
) -> None:
    assert live(tmp_path / "scaled", serving)["args"] == live(tmp_path / "before", {})["args"]


def test_the_console_is_an_application_of_its_own_that_is_shown_all_of_the_config(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "test", {"de": SMALL_MARKET})
    live, console = render(environment, ENDPOINTS, LiveState({}, {}))["applications"]
    assert (live["route_prefix"], console["route_prefix"]) == ("/", "/console")
    [deployment] = console["deployments"]
    assert Environment.model_validate(deployment["user_config"]["environment"]) == environment
    assert Endpoints.model_validate(deployment["user_config"]["endpoints"]) == ENDPOINTS


@pytest.mark.parametrize(
    ("guard", "counted_as"), [(None, None), ({"max_mean_ms": 50}, "7")], ids=["unguarded", "guarded"]
)
def test_live_answers_are_counted_only_where_a_guard_reads_them(
    guard: dict[str, Any] | None, counted_as: str | None, tmp_path: Path
) -> None:
    market = SMALL_MARKET | {"shadow": SMALL_MARKET["shadow"] | {"guard": guard}}
    environment = environment_in(tmp_path, "test", {"de": market})
    state = LiveState({"de": ModelRef("7", "/nowhere", "0")}, {})
    deployments = render(environment, ENDPOINTS, state)["applications"][0]["deployments"]
    [router] = [one["user_config"] for one in deployments if one["name"] == "ShadowRouter"]
    assert router["markets"]["de"]["counted_as"] == counted_as


def test_a_canary_tells_the_router_its_share_while_that_is_the_market_s_policy_and_restarts_nothing(
    tmp_path: Path,
) -> None:
    ref = ModelRef("7", "/nowhere", "0")
    seen = {}
    for name, policy in (("canary", {"policy": "canary", "max_mean_ms": 50}), ("approval", {"policy": "approval"})):
        market = SMALL_MARKET | {"shadow": SMALL_MARKET["shadow"] | {"rollout": policy}}
        environment = environment_in(tmp_path / name, "test", {"de": market}, {"state_dir": "/var"})
        for share in (None, 0.25):
            state = LiveState({"de": ref}, {"de": Challenger(ref, "w", share)})
            document = render(environment, ENDPOINTS, state)["applications"][:2]
            [router] = [one.pop("user_config") for one in document[0]["deployments"] if one["name"] == "ShadowRouter"]
            seen[name, share] = (router["markets"]["de"], document)
    told = {key: market["challenger"].get("canary_share") for key, (market, _) in seen.items()}
    assert told == dict.fromkeys(seen) | {("canary", 0.25): 0.25}
    assert [key for key, (market, _) in seen.items() if market["counted_as"]] == [("canary", 0.25)]
    assert seen["canary", None][1] == seen["canary", 0.25][1]


def test_there_need_be_no_console(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "test", {"de": SMALL_MARKET}, {"serving": {"console": False}})
    assert len(render(environment, ENDPOINTS, LiveState({}, {}))["applications"]) == 1


def test_replicas_are_a_number_or_bounds_that_the_cpu_share_decides_between(tmp_path: Path) -> None:
    serving = {"feature_lookup": TWO, "shadow_router": {"min": 1, "max": 3}}
    deployments = {one["name"]: one for one in live(tmp_path, serving)["deployments"]}
    assert deployments["FeatureLookup"]["num_replicas"] == 2
    assert "autoscaling_config" not in deployments["FeatureLookup"]
    bounds = deployments["ShadowRouter"]["autoscaling_config"]
    assert (bounds["min_replicas"], bounds["max_replicas"]) == (1, 3)
    assert bounds["policy"] == {"policy_function": "libs.calls.load:by_cpu_share"}
