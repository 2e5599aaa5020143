"""The document that Serve is given."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.models.contract import ModelRef
from libs.models.serving_plan import Challenger, LiveState, apply, render, require_own_cluster, undeploy
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


class Cluster:
    """A dashboard that keeps applications as Serve's does: what is put replaces all there is."""

    def __init__(self) -> None:
        self.applications: dict[str, Any] = {}
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(json.dumps({"applications": cluster.applications}).encode())

            def do_PUT(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                names = [application["name"] for application in document["applications"]]
                cluster.applications = {name: {"status": "RUNNING"} for name in names}
                self._answer()

            def do_DELETE(self) -> None:
                cluster.applications = {}
                self._answer()

            def _answer(self, body: bytes = b"{}") -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.endpoints = ENDPOINTS.model_copy(update={"ray_dashboard_url": url})

    def deploy(self, folder: Path, name: str) -> None:
        environment = environment_in(folder, name, {"de": SMALL_MARKET})
        apply(self.endpoints, render(environment, self.endpoints, LiveState({}, {})))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    thread = threading.Thread(target=cluster.server.serve_forever)
    thread.start()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()
    thread.join()


@pytest.mark.parametrize("other", ["main-2", "ain", "somebody-elses"])
def test_a_cluster_that_serves_anything_else_is_refused_and_that_goes_on(
    cluster: Cluster, tmp_path: Path, other: str
) -> None:
    names: dict[str, Any] = {f"fitwave-{other}": {}, f"fitwave-{other}__console": {}}
    cluster.applications = dict(names)
    with pytest.raises(DataError, match=rf"serves fitwave-{other}, .*which deploying fitwave-main would delete"):
        cluster.deploy(tmp_path, "main")
    with pytest.raises(DataError, match="each environment needs a cluster of its own"):
        undeploy(cluster.endpoints, "main")
    assert cluster.applications == names


def test_its_own_cluster_is_deployed_to_again_and_again_and_cleared(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deploy(tmp_path / "1", "main")
    cluster.applications["fitwave-main__challenger__de"] = {}
    require_own_cluster(cluster.endpoints, "main")
    cluster.deploy(tmp_path / "2", "main")
    assert undeploy(cluster.endpoints, "main") == ["fitwave-main", "fitwave-main__console"]
    assert cluster.applications == {}
    assert undeploy(cluster.endpoints, "main") == []
