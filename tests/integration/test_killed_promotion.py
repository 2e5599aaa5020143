"""Promotions and rollbacks that are killed, stand still, meet each other or lose a store, on the real stores and Serve.

The tests of this module tell one story and run in order. The orders that two requests can take are all gone through in
`tests/unit/libs/models/test_protocol.py`; here it is seen that the real stores are as they are taken for there.
"""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from apps.shadow import promotion
from apps.shadow.demotion import act, unreviewed
from apps.shadow.second_verdict import Purchases, SecondVerdict
from infra.stack.processes import free_port
from libs.base import redis_lock
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import DataError, TransientError
from libs.base.market import Market, Training
from libs.features.lake import Lake
from libs.features.tables import build_tables
from libs.models import serve_api
from libs.models.fingerprint import fingerprint
from libs.models.ledger import Entry
from libs.models.lifecycle import Lifecycle, RoleStores
from libs.models.package import load, save
from libs.models.pair_log import read_window
from libs.models.pair_writer import PairLog
from libs.models.protocol import Walk, run
from libs.models.registry import Registry
from libs.models.role_request import Request
from libs.models.serving_plan import challenger_application, live_application
from libs.models.training import fit_market
from tests import promotion_process
from tests.promotion_process import PRELOADED, Halt
from tests.redis_servers import client, server, wait_until
from tests.small_market import AS_OF, small_market

MARKET = "it"
VERSIONS = 7


class World:
    """The market's roles, and processes that change them."""

    def __init__(self, environment: Environment, endpoints: Endpoints, folder: Path) -> None:
        self.environment, self.endpoints = environment, endpoints
        self.lifecycle = Lifecycle.of(environment, endpoints)
        endpoints.prepare_process()
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(PRELOADED)
        self._folder = folder

    def begin(self, action: str, halt: Halt | None = None) -> "Running":
        log = self._folder / f"{len(list(self._folder.iterdir()))}.log"
        log.touch()
        arguments = (self.environment, self.endpoints, MARKET, action, log, halt)
        process = self._processes.Process(target=promotion_process.run, args=arguments, daemon=True)
        process.start()
        return Running(process, log)

    def run(self, action: str, halt: Halt | None = None) -> str:
        return self.begin(action, halt).end()

    def shadow(self, version: str) -> None:
        """Have a challenger, by the ledger alone: what follows is done by whoever comes next."""
        history = self.lifecycle.history(MARKET)
        entry = Entry(MARKET, "shadow", version, history.roles.champion, "test")
        assert self.lifecycle.ledger.append(entry, history.mark.number)
        self.lifecycle.ledger.settle(MARKET, history.mark.number + 1)

    def changes(self) -> list[str]:
        """What the ledger says has been changed."""
        return [f"{one.action} {one.version}" for one in self.lifecycle.ledger.entries(MARKET)]

    def application(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = serve_api.status(self.endpoints)["applications"].get(name, {})
        return found

    def answers(self) -> str:
        """The version that the gateways were told is champion."""
        live = self.application(live_application(self.environment.name))
        assert live["status"] == "RUNNING"
        [gateway] = [one for one in live["deployed_app_config"]["deployments"] if one["name"] == "Gateway"]
        return str(gateway["user_config"]["markets"][MARKET]["champion"])

    def require_complete(self, champion: str, challenger: str | None) -> None:
        """Everything says the same."""
        history = self.lifecycle.history(MARKET)
        assert (history.roles.champion, history.roles.challenger, history.settled) == (champion, challenger, True)
        holders = {role: one.number for role, one in self.lifecycle.registry.holders(MARKET).items()}
        assert holders == {"champion": champion} | ({"challenger": challenger} if challenger else {})
        for version, tags in history.statuses().items():
            assert tags.items() <= self.lifecycle.registry.version(MARKET, version).tags.items()
        assert self.answers() == champion
        shadowing = self.application(challenger_application(self.environment.name, MARKET))
        assert bool(shadowing) == (challenger is not None)


class Running:
    """A process that changes roles."""

    def __init__(self, process: ForkServerProcess, log: Path) -> None:
        self._process, self._log = process, log

    def stands_still(self) -> "Running":
        """Wait until it does."""
        assert self._process.pid is not None
        found = psutil.Process(self._process.pid)
        wait_until(lambda: found.status() == psutil.STATUS_STOPPED)
        return self

    def go_on(self) -> "Running":
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)
        return self

    def end(self) -> str:
        """What came of it."""
        self._process.join(60)
        if self._process.is_alive():
            self._process.kill()
            raise AssertionError("it does not end")
        return "killed" if self._process.exitcode == -signal.SIGKILL else self._log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world(environment: Environment, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(environment, endpoints, tmp_path_factory.mktemp("promotions"))
    folder = tmp_path_factory.mktemp("package")
    market, data = Market(name=MARKET, training=Training(rounds=5)), small_market()
    tables = build_tables(market, data.lines, data.returns, data.customers, data.articles, AS_OF)
    tables.training.write_parquet(folder / "training.parquet")
    package = folder / "model"
    save(fit_market(market, str(folder / "training.parquet"), champion=None).package, package)
    for _ in range(VERSIONS):
        registry = world.lifecycle.registry
        registry.register(MARKET, package, fingerprint(package), {}, {"fitwave.status": "accepted"})
    assert world.lifecycle.go_live(registry.version(MARKET, "1"), {}) == "champion"
    return world


def test_a_challenger_that_is_replaced_ends_its_window_and_no_pair_counts_for_the_next(world: World) -> None:
    lifecycle, lake = world.lifecycle, Lake.open(world.environment.lake)
    assert lifecycle.go_live(lifecycle.registry.version(MARKET, "2"), {}) == "challenger"
    replaced = promotion.shadow_of(lifecycle, MARKET)
    assert replaced is not None
    log = PairLog(world.environment.lake)
    log.count_request(MARKET, replaced.window, "c1", sampled=True)
    log.close()
    assert lifecycle.go_live(lifecycle.registry.version(MARKET, "3"), {}) == "challenger"
    opened = promotion.shadow_of(lifecycle, MARKET)
    assert opened is not None
    assert (opened.challenger.number, opened.hours < replaced.hours + 1) == ("3", True)
    assert opened.window != replaced.window
    assert read_window(lake, MARKET, replaced.window)[1].requests == 1
    assert read_window(lake, MARKET, opened.window)[1].requests == 0
    assert lifecycle.go_live(lifecycle.registry.version(MARKET, "2"), {}) == "replaced"
    with pytest.raises(DataError, match=r"somebody else changed roles .* \(the last change: shadow v3"):
        promotion.promote(lifecycle, MARKET, "its window was good", {}, replaced.roles)
    world.require_complete("1", "3")


def test_a_promotion_killed_after_every_step_and_run_again_is_one_promotion(world: World) -> None:
    replicas = pids(world.application(challenger_application(world.environment.name, MARKET)))
    assert replicas
    for step in ("look", "lock", "read", "commit", "champion", "challenger", "tag", "render", "serve", "settle"):
        assert world.run("promote", Halt("after", step)) == "killed", step
        assert world.answers() == ("3" if step in ("serve", "settle") else "1"), step
    assert "has no challenger (the last change: promote v3" in world.run("promote")
    world.require_complete("3", None)
    assert world.changes() == ["first 1", "shadow 2", "shadow 3", "promote 3"]
    assert not any(psutil.pid_exists(pid) for pid in replicas)


def test_a_rollback_killed_after_every_step_that_writes_goes_back_once(world: World) -> None:
    before = world.lifecycle.registry.version(MARKET, "1").ref
    for step in ("commit", "champion", "serve", "settle"):
        assert world.run("rollback 3", Halt("after", step)) == "killed", step
        assert world.answers() == ("1" if step in ("serve", "settle") else "3"), step
    assert world.run("rollback 3") == "done"
    world.require_complete("1", None)
    assert world.changes()[4:] == ["rollback 1"]
    assert load(Path(before.path), before.sha256).card.market == MARKET


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(world: World) -> None:
    world.shadow("4")
    both = [world.begin("promote", Halt("after", "look", signal.SIGSTOP)) for _ in range(2)]
    for one in both:
        one.stands_still()
    for one in both:
        one.go_on()
    told = sorted(one.end() for one in both)
    assert "DataError: somebody else changed roles in market 'it' meanwhile (the last change: promote v4" in told[0]
    assert told[1] == "done"
    world.require_complete("4", None)
    assert world.changes()[5:] == ["shadow 4", "promote 4"]


def test_a_promotion_that_stood_still_before_it_was_made_is_fenced(world: World) -> None:
    world.shadow("5")
    stale = world.begin("promote", Halt("before", "commit", signal.SIGSTOP)).stands_still()
    assert world.run("reject") == "done"
    assert "somebody else changed roles in market 'it' meanwhile" in stale.go_on().end()
    world.require_complete("4", None)
    assert world.changes()[7:] == ["shadow 5", "reject 5"]


def test_a_promotion_that_stood_still_before_serve_and_wrote_too_late_puts_it_right(world: World) -> None:
    world.shadow("6")
    stale = world.begin("promote", Halt("before", "serve", signal.SIGSTOP)).stands_still()
    assert world.run("rollback 6") == "done"
    world.require_complete("4", None)
    assert stale.go_on().end() == "done"
    world.require_complete("4", None)
    assert world.changes()[9:] == ["shadow 6", "promote 6", "rollback 4"]


class Leaving(RoleStores):
    """Stores of which one goes away before a step."""

    def __init__(self, lifecycle: Lifecycle, step: str, leave: Callable[["Leaving"], None]) -> None:
        super().__init__(lifecycle)
        self._step, self._leave = step, leave

    def do(self, walk: Walk) -> Any:
        if walk.step == self._step:
            self._leave(self)
        return super().do(walk)

    def without_mlflow(self) -> None:
        lifecycle = self._lifecycle
        away = Registry(lifecycle.environment.name, f"http://127.0.0.1:{free_port()}", lifecycle.environment.home)
        self._lifecycle = replace(lifecycle, registry=away)

    def without_ray(self) -> None:
        nowhere = {"ray_dashboard_url": f"http://127.0.0.1:{free_port()}"}
        self._lifecycle = replace(self._lifecycle, endpoints=self._lifecycle.endpoints.model_copy(update=nowhere))


def test_a_store_that_goes_away_half_way_is_named_and_the_same_request_goes_on_from_there(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_lock, "HELD_S", promotion_process.HELD_S)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    world.shadow("7")
    request = Request("promote", (MARKET,), reason="test")
    with server(tmp_path) as (port, process):
        wait_until(lambda: bool(client(port).ping()))
        elsewhere = world.endpoints.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})
        away = [
            ("Redis does not answer", "challenger", replace(world.lifecycle, endpoints=elsewhere), gone(process)),
            ("the MLflow store does not answer", "challenger", world.lifecycle, Leaving.without_mlflow),
            ("Ray's dashboard does not answer", "serve", world.lifecycle, Leaving.without_ray),
        ]
        for said, step, lifecycle, leave in away:
            with pytest.raises(TransientError, match=said), Leaving(lifecycle, step, leave) as stores:
                run(request, stores)
            assert world.answers() == "4"
    promotion.promote(world.lifecycle, MARKET, "test", {})
    world.require_complete("7", None)
    assert world.changes()[12:] == ["shadow 7", "promote 7"]


def test_a_version_that_turned_out_worse_is_demoted_once_and_one_that_came_since_is_left_alone(world: World) -> None:
    market = world.environment.market(MARKET)
    promotions = {one.version: one for one in unreviewed(world.lifecycle, MARKET)}
    assert promotions.keys() == {"4", "7"}
    found = Purchases(bought=900, mature=900, scored=880, complete_at=datetime.now(UTC), complete=True)
    verdict = SecondVerdict("demote", "log loss +0.1", found, {})
    earlier = act(world.lifecycle, market, promotions["4"], verdict)
    assert (earlier.action, earlier.why) == ("noted", "v7 is champion by now")
    assert act(world.lifecycle, market, promotions["7"], verdict).action == "demoted"
    world.require_complete("4", None)
    assert world.changes()[14:] == ["rollback 4"]
    entry = world.lifecycle.ledger.entries(MARKET)[-1]
    assert entry.reason == "second verdict: log loss +0.1"
    assert entry.evidence["purchases"]["scored"] == 880
    assert act(world.lifecycle, market, promotions["7"], verdict).why == "v4 is champion by now"
    assert unreviewed(world.lifecycle, MARKET) == []
    assert len(world.changes()) == 15


def test_a_step_of_a_canary_killed_after_every_step_that_writes_is_made_once(world: World) -> None:
    world.shadow("7")
    for step in ("commit", "serve"):
        assert world.run("canary 0.1", Halt("after", step)) == "killed", step
    assert world.run("canary 0.1") == "done"
    assert "somebody else changed roles" in world.run("canary 0.1")
    assert world.run("canary 0.5", Halt("after", "commit")) == "killed"
    assert world.run("reject") == "done", "whoever comes next completes the step, and then has its own way"
    world.require_complete("4", None)
    told = [(one.action, one.canary_share) for one in world.lifecycle.ledger.entries(MARKET)[15:]]
    assert told == [("shadow", None), ("canary", 0.1), ("canary", 0.5), ("reject", None)]


def gone(process: "subprocess.Popen[bytes]") -> Callable[[Leaving], None]:
    def leave(stores: Leaving) -> None:
        process.kill()
        process.wait()

    return leave


def pids(application: dict[str, Any]) -> list[int]:
    return [one["pid"] for deployment in application["deployments"].values() for one in deployment["replicas"]]
