"""Canaries and the guard in live traffic: what fails goes back by itself, what is fine answers more and more customers.

The tests of this module tell one story and run in order, on the session's cluster.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
import xgboost as xgb

from apps.shadow import canary, promotion
from apps.shadow.cli import app as shadow_app
from apps.shadow.live import Live, judge_live
from infra.demo.traffic import Shoppers, Tally, Traffic
from libs.base.api_keys import SCOPES
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.key_store import KeyStore
from libs.base.market import Market
from libs.base.rollout import CanaryRollout
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.preprocess import Prepared, preprocess
from libs.features.refresh import Destination, refresh
from libs.features.schema import ARTICLES, CUSTOMERS
from libs.features.tables import build_tables
from libs.models import serve_api
from libs.models.fingerprint import fingerprint
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle
from libs.models.live_counts import read_live
from libs.models.package import Package, save
from libs.models.serving_plan import challenger_application, live_application
from libs.models.training import fit_market
from tests.environments import environment_in
from tests.small_market import AS_OF, START, small_market
from tests.unit.apps.shadow.windows import losses

pytestmark = pytest.mark.slow

MARKET = "at"
PLAN = MarketPlan(MARKET, 400, 60, 400, 3)
# Sure of an outage after four spans instead of seven: two routers have them within twenty seconds.
SOON = {"max_error_share": 0.001, "max_mean_ms": 5000, "alpha": 0.49}
ROLLOUT = {"policy": "canary", "hours": 0.0005, "min_answers": 60, "timeout_s": 2.0, "steps": [0.4]} | SOON
SHADOW: dict[str, Any] = {
    **{"share": 0.5, "min_pairs": 60, "min_completion": 0.5, "timeout_s": 5.0, "rollout": ROLLOUT, "guard": SOON},
    **{"error_margin": 0.2, "slice_error_margin": 1.0, "latency_margin": 20.0},
}
_PATIENCE_S = 90.0


class World:
    """The market, its traffic, and the commands that an operator has."""

    def __init__(self, folder: Path, environment: Environment, endpoints: Endpoints, key: str, shoppers: Shoppers):
        self.folder, self.environment, self.shoppers = folder, environment, shoppers
        self.lifecycle = Lifecycle.of(environment, endpoints)
        self._url, self._key = f"http://127.0.0.1:{endpoints.gateway_port}", key

    def traffic(self) -> Traffic:
        return Traffic(self._url, self._key, {MARKET: self.shoppers})

    def answered_by(self, version: str) -> set[str]:
        """The customers whom this version answers, each asked once."""
        path, found = f"{self._url}/v1/markets/{MARKET}/size-recommendations", set()
        with httpx.Client(headers={"Authorization": f"Bearer {self._key}"}, timeout=20) as client:
            for customer in self.shoppers.customers:
                body = {"customer_id": customer, "article_ids": [self.shoppers.articles[0]]}
                answer = client.post(path, json=body).raise_for_status()
                if answer.headers["X-Model-Version"] == version:
                    found.add(customer)
        return found

    def until(self, command: str, done: Callable[[], bool]) -> None:
        """Give a command again and again, as a schedule does."""
        deadline = time.monotonic() + _PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, self.steps()
            time.sleep(0.5)
            shadow_app([command, "--market", MARKET], result_action="return_value")

    def ledger(self) -> list[Entry]:
        return self.lifecycle.ledger.entries(MARKET)

    def is_at(self, share: float) -> bool:
        return self.lifecycle.history(MARKET).roles.canary_share == share

    def steps(self) -> list[tuple[str, str, float | None]]:
        return [(one.action, one.version, one.canary_share) for one in self.ledger()]

    def applications(self) -> dict[str, Any]:
        return dict(serve_api.status(self.lifecycle.endpoints)["applications"])


def configured(environment: Environment, folder: Path, **rollout: Any) -> Environment:
    """The session's environment with this market alone and two routers, in a folder of its own."""
    settings = {
        **{"state_dir": str(environment.state_dir), "lake_uri": environment.lake_uri, "shadow": {"review_hour": 23}},
        "serving": {"shadow_router": {"min": 2, "max": 2}},
    }
    return environment_in(
        folder, environment.name, {MARKET: {"shadow": SHADOW | {"rollout": ROLLOUT | rollout}}}, settings
    )


@pytest.fixture(scope="module")
def prepared(environment: Environment, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The market's features are online; its tables are where a week finds them."""
    lake = Lake.open(str(tmp_path_factory.mktemp("lake")))
    deliver(lake, PLAN, 0)
    with connected(endpoints):
        run = tmp_path_factory.mktemp("run")
        week = preprocess(lake.root, {MARKET: Market(name=MARKET)}, cut_off(PLAN, 0), run)[MARKET]
        assert isinstance(week, Prepared)
        refresh(Destination(environment.name, environment.home, endpoints.redis_url), [week])
    return lake


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that answers, and one that loads and fails every question about a known article."""
    folder = tmp_path_factory.mktemp("packages")
    market, data = Market.model_validate({"name": MARKET, "training": {"rounds": 5}}), small_market()
    tables = build_tables(market, data.lines, data.returns, data.customers, data.articles, AS_OF)
    tables.training.write_parquet(folder / "training.parquet")
    good = fit_market(market, str(folder / "training.parquet"), champion=None).package
    other = xgb.train({}, xgb.DMatrix(np.zeros((2, 1)), np.zeros(2)), 1)
    for name, package in (("good", good), ("broken", Package(good.card, other))):
        save(package, folder / name)
        losses(0.03).write_parquet(folder / name / "quality.parquet")
    return folder / "good", folder / "broken"


@pytest.fixture(scope="module")
def world(
    environment: Environment,
    endpoints: Endpoints,
    prepared: Lake,
    packages: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    store, (good, broken) = KeyStore(endpoints.redis_url, environment.name), packages
    key_id, key = store.create(frozenset({MARKET}), frozenset(SCOPES), "canary")
    articles = pl.DataFrame(pl.from_arrow(prepared.read(ARTICLES, MARKET)))
    early = articles.filter(pl.col("online") & (pl.col("launched_at") < cut_off(PLAN, 0)))["article_id"].to_list()
    customers = prepared.read(CUSTOMERS, MARKET)["customer_id"].to_pylist()
    folder = tmp_path_factory.mktemp("one-step")
    found = World(folder, configured(environment, folder), endpoints, key, Shoppers(customers[:300], early))
    for package in (good, broken, good, broken):
        found.lifecycle.registry.register(MARKET, package, fingerprint(package), {}, {"fitwave.status": "accepted"})
    assert go_live(found, "1") == "champion"
    yield found
    store.revoke(key_id)
    store.close()
    Lifecycle.of(environment, endpoints).publish()


@pytest.fixture(autouse=True)
def commands_find_the_market(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's environment, by the world's config."""
    monkeypatch.setenv("FITWAVE_CONFIG", str(world.folder / "config"))
    monkeypatch.setenv("FITWAVE_ENVIRONMENT", world.environment.name)


def go_live(world: World, version: str) -> str:
    return world.lifecycle.go_live(world.lifecycle.registry.version(MARKET, version), {})


def require_no_failures(traffic: Traffic) -> Tally:
    tally = traffic.tallies[MARKET]
    assert (tally.failed, dict(tally.failures)) == (0, {})
    assert tally.sent > 100
    return tally


def test_a_canary_that_fails_is_stopped_by_the_guard_and_no_customer_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go_live(world, "2") == "challenger"
    rollout, roles = world.environment.market(MARKET).shadow.rollout, world.lifecycle.history(MARKET).roles
    assert isinstance(rollout, CanaryRollout)
    with world.traffic() as traffic:
        canary.begin(world.lifecycle, MARKET, rollout, {}, roles)
        world.until("guard", lambda: world.ledger()[-1].action == "reject")
    assert require_no_failures(traffic).versions.keys() == {"1"}
    entry = world.ledger()[-1]
    assert entry.reason == "canary stopped at 40 %: 100.00% of the requests failed, surely over 0.10%"
    figures = entry.evidence["canary"]
    assert figures["challenger"]["failed"]["mean"] == 1
    assert figures["champion"]["failed"]["mean"] == 0
    asked = figures["champion"]["answers"]  # those of the others, and those that the challenger did not give
    assert abs(figures["challenger"]["answers"] / asked - 0.4) < 0.1
    assert "; stopped: 100.00% of the requests failed" in capsys.readouterr().out
    assert challenger_application(world.environment.name, MARKET) not in world.applications()
    assert world.lifecycle.registry.version(MARKET, "2").tags["fitwave.status"] == "rejected"


def test_a_canary_that_is_fine_answers_more_customers_with_each_step_and_is_promoted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_steps = configured(world.environment, tmp_path, steps=[0.3, 0.6])
    monkeypatch.setattr(world, "lifecycle", Lifecycle.of(two_steps, world.lifecycle.endpoints))
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    assert go_live(world, "3") == "challenger"
    window = world.lifecycle.history(MARKET).roles.window
    replicas = routers(world)
    answered: dict[float, set[str]] = {}
    with world.traffic() as traffic:
        for share in (0.3, 0.6):
            world.until("settle", partial(world.is_at, share))
            assert world.lifecycle.history(MARKET).roles.window == window
            answered[share] = world.answered_by("3")
        [note] = promotion.notes(world.lifecycle, MARKET)
        assert note.startswith("canary step 2 of 2: 60 % of the customers")
        world.until("settle", lambda: world.lifecycle.history(MARKET).roles.champion == "3")
        assert world.answered_by("3") == set(world.shoppers.customers)
    require_no_failures(traffic)
    for share, customers in answered.items():
        assert abs(len(customers) / len(world.shoppers.customers) - share) < 0.12
    assert answered[0.3] < answered[0.6]
    assert routers(world) == replicas
    steps = [("shadow", "3", None), ("canary", "3", 0.3), ("canary", "3", 0.6), ("promote", "3", None)]
    assert world.steps()[-4:] == steps
    promoted = world.ledger()[-1]
    assert promoted.reason == "better in its window, and nothing beyond its bounds at 60 % of the customers"
    assert promoted.evidence["canary"]["challenger"]["answers"] >= 60
    shadow_app(["history", "--market", MARKET], result_action="return_value")
    assert "canary 60 %" in capsys.readouterr().out


def test_a_promoted_version_that_fails_goes_back_by_itself(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert go_live(world, "4") == "challenger"
    promotion.promote(world.lifecycle, MARKET, "by hand: in a hurry", {})
    with world.traffic() as traffic:
        wait_until(lambda: bool(judged(world, "4").breach))
        shadow_app(["schedule", "start"], result_action="return_value")
        wait_until(lambda: world.lifecycle.history(MARKET).roles.champion == "3")
        wait_until(lambda: world.lifecycle.history(MARKET).settled)
    shadow_app(["schedule", "stop"], result_action="return_value")
    started, stopped = capsys.readouterr().out.splitlines()
    assert stopped == f"stopped {started}"
    assert traffic.tallies[MARKET].failed > 0, "nobody else could answer"
    entry = world.ledger()[-1]
    assert (entry.action, entry.version, entry.previous) == ("rollback", "3", "4")
    assert entry.reason == "live breach: 100.00% of the requests failed, surely over 0.10%"
    assert entry.evidence["failed"]["n"] >= 4
    assert world.answered_by("3") == set(world.shoppers.customers)


def judged(world: World, version: str) -> Live:
    """What the guard will find."""
    guard = world.environment.market(MARKET).shadow.guard
    assert guard is not None
    return judge_live(read_live(Lake.open(world.environment.lake), MARKET, version, START), version, guard)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def routers(world: World) -> set[int]:
    """The processes that route."""
    live = world.applications()[live_application(world.environment.name)]
    return {one["pid"] for one in live["deployments"]["ShadowRouter"]["replicas"] if one["state"] == "RUNNING"}
