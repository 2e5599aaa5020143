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
# One stage of each kind: before there is a version, while it is made, when others know of it, when all is done.
SOME = ("while it preprocesses", "while it trains", "when the version is there", "when the ledger has it")


class Weeks:
    """Runs the market's week, each time in a process of its own."""

    def __init__(self, environment: Environment, endpoints: Endpoints, plan: MarketPlan, folder: Path) -> None:
        endpoints.prepare_process()
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(PRELOADED)
        self._arguments = (environment, endpoints, plan.name, cut_off(plan, 0))
        self._folder = folder

    def run(self, kill: Kill | None = None) -> tuple[int | None, list[str]]:
        """Its exit code, and what it said."""
        log = self._folder / "week.log"
        log.write_text("", encoding="utf-8")
        process = self._processes.Process(target=run, args=(*self._arguments, log, kill))
        process.start()
        process.join(120)
        return process.exitcode, log.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("market", "stages"),
    [
        pytest.param("ch", SOME, id="some stages"),
        pytest.param("li", tuple(STAGES), id="every stage", marks=pytest.mark.slow),
    ],
)
def test_a_week_killed_at_every_stage_has_one_version_one_tag_one_entry_and_is_live(
    environment: Environment,
    endpoints: Endpoints,
    code_repository: Path,
    tmp_path: Path,
    market: str,
    stages: tuple[str, ...],
) -> None:
    plan, lake = MarketPlan(market, 500, 80, 700, 6), Lake.open(environment.lake)
    deliver(lake, plan, 0)
    weeks, lifecycle = Weeks(environment, endpoints, plan, tmp_path), Lifecycle.of(environment, endpoints)
    tables_there = False
    for stage in stages:
        code, said = weeks.run(STAGES[stage])
        assert code == -9, f"{stage}: exit code {code}, {said}"
        resumed = any("goes on from the tables" in line for line in said)
        assert resumed == tables_there, stage
        tables_there = tables_there or stage != "while it preprocesses"
    code, said = weeks.run()
    assert (code, said[-1]) == (0, "champion")

    registry, ledger = lifecycle.registry, lifecycle.ledger
    assert [one.number for one in registry.versions(market)] == ["1"]
    assert registry.version(market, "1").tags["fitwave.git_tag"] == f"model/test/{market}/v1"
    client = MlflowClient(endpoints.mlflow_uri, endpoints.mlflow_uri)
    experiment = client.get_experiment_by_name(registry.model_name(market))
    assert experiment is not None and len(client.search_runs([experiment.experiment_id])) == 1
    tags = subprocess.run(
        ["git", "-C", str(code_repository), "tag", "--list", f"model/test/{market}/*"], capture_output=True
    )
    assert tags.stdout.decode().split() == [f"model/test/{market}/v1"]
    assert [(one.action, one.version) for one in ledger.entries(market)] == [("first", "1")]
    assert not list((environment.home / "runs").glob(f"*/{market}"))
    assert model_version_that_answers(environment, endpoints, lake, plan) == "1"

    code, said = weeks.run()
    assert (code, said) == (0, [f"{market}: this week has been run, and is v1", "champion"])
    assert len(registry.versions(market)) == 1


def model_version_that_answers(environment: Environment, endpoints: Endpoints, lake: Lake, plan: MarketPlan) -> str:
    store = KeyStore(endpoints.redis_url, environment.name)
    _, key = store.create(frozenset({plan.name}), frozenset(SCOPES), "killed week")
    store.close()
    articles = lake.read(ARTICLES, plan.name).to_pylist()
    sold = next(one["article_id"] for one in articles if one["online"] and one["launched_at"] < cut_off(plan, 0))
    answer = httpx.post(
        f"http://127.0.0.1:{endpoints.gateway_port}/v1/markets/{plan.name}/size-recommendations",
        json={"customer_id": lake.read(CUSTOMERS, plan.name)["customer_id"][0].as_py(), "article_ids": [sold]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model_version"])
