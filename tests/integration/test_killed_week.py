"""A week that is killed at every stage, and run again each time, is one week."""

import multiprocessing
import subprocess
from pathlib import Path

import httpx
import pytest
from mlflow.tracking import MlflowClient

from libs.base.api_keys import SCOPES
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.key_store import KeyStore
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS
from libs.models.lifecycle import Lifecycle
from tests.week_process import PRELOADED, Kill, run

PLAN = MarketPlan("ch", 500, 80, 700, 6)

STAGES = {
    "while it preprocesses": Kill("apps.trainer.weekly", "preprocess", "during", 1.0),
    "when it has preprocessed": Kill("apps.trainer.week", "WeekFolder.keep", "after"),
    "while it trains": Kill("apps.trainer.weekly", "train_fleet", "during", 8.0),
    "before the version is there": Kill("mlflow.tracking", "MlflowClient.create_model_version", "before"),
    "when the version is there": Kill("mlflow.tracking", "MlflowClient.create_model_version", "after"),
    "when the code is tagged": Kill("apps.trainer.registration", "tag_version", "after"),
    "while features are refreshed": Kill("apps.trainer.weekly", "refresh", "during", 0.5),
    "when the ledger has it": Kill("libs.models.ledger", "Ledger.append", "after"),
    "when the version has its role": Kill("libs.models.registry", "Registry.assign", "after"),
    "when it is live": Kill("apps.trainer.week", "WeekFolder.remove", "before"),
}


@pytest.fixture(scope="module")
def lake(environment: Environment) -> Lake:
    lake = Lake.open(environment.lake)
    deliver(lake, PLAN, 0)
    return lake


class Weeks:
    """Runs the market's week, each time in a process of its own."""

    def __init__(self, environment: Environment, endpoints: Endpoints, folder: Path) -> None:
        endpoints.prepare_process()
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(PRELOADED)
        self._arguments = (environment, endpoints, PLAN.name, cut_off(PLAN, 0))
        self._folder = folder

    def run(self, kill: Kill | None = None) -> tuple[int | None, list[str]]:
        """Its exit code, and what it said."""
        log = self._folder / "week.log"
        log.write_text("", encoding="utf-8")
        process = self._processes.Process(target=run, args=(*self._arguments, log, kill))
        process.start()
        process.join(120)
        return process.exitcode, log.read_text(encoding="utf-8").splitlines()


def test_a_week_killed_at_every_stage_has_one_version_one_tag_one_entry_and_is_live(
    environment: Environment, endpoints: Endpoints, lake: Lake, code_repository: Path, tmp_path: Path
) -> None:
    weeks, lifecycle = Weeks(environment, endpoints, tmp_path), Lifecycle.of(environment, endpoints)
    for stage, kill in STAGES.items():
        code, said = weeks.run(kill)
        assert code == -9, f"{stage}: exit code {code}, {said}"
        resumed = any("goes on from the tables" in line for line in said)
        assert resumed == (stage not in ("while it preprocesses", "when it has preprocessed")), stage
    code, said = weeks.run()
    assert (code, said[-1]) == (0, "champion")

    registry, ledger = lifecycle.registry, lifecycle.ledger
    assert [one.number for one in registry.versions("ch")] == ["1"]
    assert registry.version("ch", "1").tags["fitwave.git_tag"] == "model/test/ch/v1"
    client = MlflowClient(endpoints.mlflow_uri, endpoints.mlflow_uri)
    experiment = client.get_experiment_by_name(registry.model_name("ch"))
    assert experiment is not None and len(client.search_runs([experiment.experiment_id])) == 1
    tags = subprocess.run(["git", "-C", str(code_repository), "tag", "--list", "model/test/ch/*"], capture_output=True)
    assert tags.stdout.decode().split() == ["model/test/ch/v1"]
    assert [(one.action, one.version) for one in ledger.entries("ch")] == [("first", "1")]
    assert not list((environment.home / "runs").glob("*/ch"))
    assert model_version_that_answers(environment, endpoints, lake) == "1"

    code, said = weeks.run()
    assert (code, said) == (0, ["ch: this week has been run, and is v1", "champion"])
    assert len(registry.versions("ch")) == 1


def model_version_that_answers(environment: Environment, endpoints: Endpoints, lake: Lake) -> str:
    store = KeyStore(endpoints.redis_url, environment.name)
    _, key = store.create(frozenset({"ch"}), frozenset(SCOPES), "killed week")
    store.close()
    articles = lake.read(ARTICLES, "ch").to_pylist()
    sold = next(one["article_id"] for one in articles if one["online"] and one["launched_at"] < cut_off(PLAN, 0))
    answer = httpx.post(
        f"http://127.0.0.1:{endpoints.gateway_port}/v1/markets/ch/size-recommendations",
        json={"customer_id": lake.read(CUSTOMERS, "ch")["customer_id"][0].as_py(), "article_ids": [sold]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model_version"])
