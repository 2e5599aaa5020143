"""Endpoints: found when the environment is up, and said plainly when it is not."""

import os
from pathlib import Path

import pytest

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints, endpoints_file, resolve
from libs.base.errors import DataError, TransientError
from tests.environments import environment_in

ENDPOINTS = Endpoints(
    redis_url="redis://127.0.0.1:1/0",
    mlflow_uri="sqlite:///x.db",
    ray_address="127.0.0.1:1",
    ray_dashboard_url="http://127.0.0.1:1",
    gateway_port=1,
)


def test_an_environment_that_is_not_up_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"is not up.*fitwave up --environment main"):
        resolve(environment_in(tmp_path, "main", {"de": {}}))


def test_what_up_wrote_is_what_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_in(tmp_path, "main", {"de": {}})
    environment.home.mkdir(parents=True)
    token = tmp_path / "token"
    written = ENDPOINTS.model_copy(update={"ray_token_path": token})
    endpoints_file(environment).write_text(written.model_dump_json())
    # Set through monkeypatch first, so that what `resolve` sets is undone after the test.
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "elsewhere")
    assert resolve(environment) == written
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(token)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "main", {"de": {}})
    environment.home.mkdir(parents=True)
    endpoints_file(environment).write_text('{"redis_url": 1}')
    with pytest.raises(DataError, match=r"endpoints\.json is damaged"):
        resolve(environment)


def test_a_cluster_that_does_not_answer_is_told_in_seconds() -> None:
    with (
        pytest.raises(TransientError, match=r"no Ray cluster answers at 127\.0\.0\.1:1.*fitwave up"),
        connected(ENDPOINTS),
    ):
        raise AssertionError("never connected")
