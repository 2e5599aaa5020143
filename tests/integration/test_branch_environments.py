"""Two branches' environments at once in the same Redis, MLflow and repository: destroying one touches nothing else.

The tests of this module tell one story and run in order. Everything is compared: whatever is in a store, by whatever
name, is in the picture of it.
"""

import hashlib
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import redis

from apps.trainer.code_tag import current_commit, tag_name, tag_version
from apps.trainer.queue import WeekQueue
from infra.branches.destruction import Destruction
from infra.branches.key_space import KeySpace
from infra.branches.made import named
from infra.branches.shared_stores import enter
from infra.cli import app as fitwave
from libs.base.api_keys import SCOPES
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError
from libs.base.identifiers import feast_project
from libs.base.key_store import KeyStore
from libs.features.definitions import views
from libs.features.generator.deliveries import deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.online import OnlineStore
from libs.features.refresh import Destination, apply_definitions
from libs.features.sides import Sides, place
from libs.models import serve_api
from libs.models.ledger import Entry, Ledger
from libs.models.lifecycle import Lifecycle
from libs.models.pair_writer import PairLog
from libs.models.production import maker_tags
from libs.models.registry import Registry
from libs.models.serving_plan import LiveState, render
from tests.environments import SMALL_MARKET, environment_in

NOW = datetime(2026, 7, 6, tzinfo=UTC)
# Names that are each other's beginnings, as a pattern that is too wide would find out.
BRANCHES = ("fix", "fix-us")
MARKETS = ("de", "us-west")


@dataclass(frozen=True)
class Picture:
    """All that is in the stores: Redis by key, MLflow by table as rows with how often they occur, files, tags."""

    redis: dict[bytes, str]
    mlflow: dict[str, Counter[tuple[Any, ...]]]
    files: dict[str, str]
    tags: dict[str, str]


@dataclass(frozen=True)
class World:
    """Where the stores are."""

    endpoints: Endpoints
    state: Path
    code: Path
    package: Path

    def picture(self) -> Picture:
        return Picture(self._redis(), self._mlflow(), self._files(), self._tags())

    def _redis(self) -> dict[bytes, str]:
        own = ("fitwave:{test}:", "fitwave:test:")
        with redis.Redis.from_url(self.endpoints.redis_url) as client:
            return {
                key: hashlib.sha256(cast("bytes", client.dump(key))).hexdigest()
                for key in client.scan_iter(count=1000)
                # The session's own environment may be serving.
                if not key.startswith(tuple(map(str.encode, own))) and not key.endswith(feast_project("test").encode())
            }

    def _mlflow(self) -> dict[str, Counter[tuple[Any, ...]]]:
        with sqlite3.connect(self.endpoints.mlflow_uri.removeprefix("sqlite:///")) as db:
            # But for SQLite's own, which number rows.
            query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            tables = [name for (name,) in db.execute(query)]
            return {name: Counter(db.execute(f'SELECT * FROM "{name}"').fetchall()) for name in tables}

    def _files(self) -> dict[str, str]:
        found = (path for path in self.state.rglob("*") if path.is_file())
        return {str(path.relative_to(self.state)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    def _tags(self) -> dict[str, str]:
        command = ["git", "-C", str(self.code), "tag", "--format=%(refname:short) %(objectname)"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}

    def fill(self, environment: Environment) -> None:
        """What a week, a shop and an operator leave behind in every store."""
        enter(environment)
        redis_url, name = self.endpoints.redis_url, environment.name
        lake, online = Lake.open(environment.lake), OnlineStore.open(name, environment.home, redis_url)
        apply_definitions(Destination(name, environment.home, redis_url))
        commit = current_commit(environment.code)
        for number, market in enumerate(MARKETS):
            deliver(lake, MarketPlan(market, 60, 30, 20, number), 0)
            for view, ids in ((views().customers, ["c1", "c2"]), (views().articles, ["a1"])):
                rows = pl.DataFrame({field.name: [None] * len(ids) for field in view.features})
                online.write(view, place(market, "a"), ids, rows, NOW)
            sides = Sides(redis_url, name)
            sides.make_live(market, "a", NOW)
            sides.set_contents(market, "a", "x")
            sides.forget(market, "c3")
            registry = self.registry(environment)
            tags = maker_tags(environment, dirty=False) | {"fitwave.status": "accepted"}
            for _ in range(2):
                version = registry.register(market, self.package, "0", {"auc": 0.5}, tags)
                tag_version(environment.code, tag_name(name, market, version.number), commit, "a version")
            registry.assign(market, "champion", "1")
            assert Ledger(environment.home).append(Entry(market, "first", "1", None, "the first"), after=0)
            pairs = PairLog(environment.lake)
            pairs.count_request(market, "w", "c1", sampled=True)
            pairs.close()
            WeekQueue(environment, self.endpoints).add(market, NOW, NOW)
        keys = KeyStore(redis_url, name)
        keys.create(None, frozenset(SCOPES), "shop")
        keys.close()

    def registry(self, environment: Environment) -> Registry:
        return Registry(environment.name, self.endpoints.mlflow_uri, environment.home / "mlflow" / "artifacts")


@pytest.fixture(scope="module")
def world(endpoints: Endpoints, code_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("branches")
    (folder / "package").mkdir()
    (folder / "package" / "model").write_text("a model")
    settings = {"code": {"repository": str(code_repository), "remote": "origin"}, "lake_uri": "/lake/of/all"}
    environment_in(folder, "main", dict.fromkeys(MARKETS, SMALL_MARKET), settings)
    environment_in(folder, "prod", dict.fromkeys(MARKETS, SMALL_MARKET), settings | {"production": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITWAVE_CONFIG", str(folder / "config"))
        patch.setenv("FITWAVE_STATE_DIR", str(folder / "state"))
        patch.setenv("FITWAVE_REDIS_URL", endpoints.redis_url)
        patch.setenv("FITWAVE_MLFLOW_URI", endpoints.mlflow_uri)
        # Of a shell in which one works on main; a branch takes no notice.
        patch.setenv("FITWAVE_LAKE_URI", "/lake/of/all")
        # What MLflow and Git make on first use.
        Registry("main", endpoints.mlflow_uri, folder).versions("de")
        yield World(endpoints, folder / "state", code_repository, folder / "package")


@pytest.fixture(scope="module")
def before(world: World) -> Picture:
    return world.picture()


@pytest.fixture(scope="module")
def both(world: World, before: Picture) -> Picture:
    """After two branches have been made and filled at the same time."""
    for branch in BRANCHES:
        assert fitwave(["env", "create", "--branch", branch], result_action="return_value") is None
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(world.fill, map(load_environment, BRANCHES)))
    return world.picture()


def added(now: Picture, before: Picture) -> dict[str, Counter[tuple[Any, ...]]]:
    return {name: rows - before.mlflow.get(name, Counter()) for name, rows in now.mlflow.items()}


def test_both_are_in_every_store_and_neither_takes_the_place_of_the_other(both: Picture, before: Picture) -> None:
    new = both.redis.keys() - before.redis.keys()
    of = {name: {key for key in new if _is_of(key, name)} for name in BRANCHES}
    assert of["fix"] and not of["fix"] & of["fix-us"] and of["fix"] | of["fix-us"] == new
    assert len(of["fix"]) == len(of["fix-us"]) >= 2 * (3 + 4)
    rows = added(both, before)
    assert {row[0] for row in rows["registered_models"]} >= {"fitwave-fix-de", "fitwave-fix-us-de"}
    assert len(rows["registered_models"]) == len(rows["experiments"]) == 4
    assert len(rows["model_versions"]) == len(rows["runs"]) == 8
    assert len(both.tags.keys() - before.tags.keys()) == 8
    assert {Path(path).parts[0] for path in both.files} == set(BRANCHES)
    kinds = {Path(path).parts[1] for path in both.files}
    assert kinds >= {"config", "lake", "ledger", "feast", "mlflow"}


def _is_of(key: bytes, name: str) -> bool:
    return key.startswith((f"fitwave:{{{name}}}:".encode(), f"fitwave:{name}:".encode())) or key.endswith(
        feast_project(name).encode()
    )


def test_a_cluster_that_serves_one_is_refused_to_the_other_and_goes_on(
    environment: Environment, endpoints: Endpoints, world: World, both: Picture
) -> None:
    Lifecycle.of(environment, endpoints).publish()
    before = serve_api.status(endpoints)["applications"].keys()
    with pytest.raises(DataError, match=r"serves fitwave-test.*each environment needs a cluster of its own"):
        serve_api.require_own_cluster(endpoints, "fix")
    with pytest.raises(DataError, match="which deploying fitwave-fix would delete"):
        serve_api.apply(endpoints, render(load_environment("fix"), endpoints, LiveState({}, {})))
    with pytest.raises(DataError, match="each environment needs a cluster of its own"):
        serve_api.undeploy(endpoints, "fix")
    assert serve_api.status(endpoints)["applications"].keys() == before
    serve_api.require_own_cluster(endpoints, "test")


def test_another_checkout_of_the_branch_is_refused_the_name_in_the_same_redis(
    world: World, both: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FITWAVE_STATE_DIR", str(tmp_path))
    fitwave(["env", "create", "--branch", "fix"], result_action="return_value")
    other = load_environment("fix")
    with pytest.raises(DataError, match="another checkout of the same branch"):
        enter(other)
    Destruction(other, lambda _: None).run()
    assert not other.home.exists()
    now = world.picture()
    assert (now.redis, now.mlflow) == (both.redis, both.mlflow)


def test_destroying_one_leaves_everything_of_the_other_as_it_was(
    world: World, both: Picture, before: Picture, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    fitwave(["env", "destroy", "--branch", "fix", "--yes"], result_action="return_value")
    said = capsys.readouterr().out
    after = world.picture()
    assert after.redis == {key: value for key, value in both.redis.items() if not _is_of(key, "fix")}
    assert after.tags == {name: at for name, at in both.tags.items() if not name.startswith("model/fix/")}
    assert after.files == {path: value for path, value in both.files.items() if not path.startswith("fix/")}
    # Both were filled with the same: of every table's new rows half is left, and each as it was.
    for name, rows in added(after, before).items():
        assert rows <= both.mlflow[name], name
        assert 2 * rows.total() == added(both, before)[name].total(), name
    for told in (
        "keys removed",
        "2 models, 2 experiments, 4 runs removed",
        "4 tags removed",
        "fix is gone",
    ):
        assert told in said, said
    assert {row[0] for row in after.mlflow["registered_models"]} & {"fitwave-fix-us-de"}


def test_the_other_can_still_be_used(world: World) -> None:
    left = load_environment("fix-us")
    assert world.registry(left).holder("us-west", "champion") is not None
    store = OnlineStore.open(left.name, left.home, world.endpoints.redis_url)
    assert store.count(views().customers, place("de", "a"), ["c1", "c2"]) == 2
    assert Sides(world.endpoints.redis_url, left.name).live("de") is not None


def test_a_destruction_that_is_killed_after_any_store_goes_on_and_leaves_nothing(
    world: World, both: Picture, before: Picture
) -> None:
    class Killed(Exception):
        pass

    said: list[str] = []

    def kill(text: str) -> None:
        if text not in said:
            said.append(text)
            raise Killed

    while (world.state / "fix-us").exists():
        with suppress(Killed):
            Destruction(named("fix-us"), kill).run()
        if (world.state / "fix-us").exists():
            with pytest.raises(DataError, match="is being destroyed: run `fitwave env destroy"):
                load_environment("fix-us")
    assert len(said) >= 4, said
    end = world.picture()
    assert (end.redis, end.tags, end.files) == (before.redis, before.tags, before.files)
    assert {name: rows for name, rows in added(end, before).items() if rows} == {}
    with pytest.raises(DataError, match="no branch's environment 'fix-us'"):
        named("fix-us")


def test_a_name_can_be_had_again(world: World) -> None:
    fitwave(["env", "create", "--branch", "fix"], result_action="return_value")
    environment = load_environment("fix")
    world.fill(environment)
    assert [one.number for one in world.registry(environment).versions("de")] == ["1", "2"]
    Destruction(environment, lambda _: None).run()
    with KeySpace(world.endpoints.redis_url, "fix") as keys:
        assert list(keys.keys()) == []


@pytest.mark.parametrize(
    ("dirty", "maker", "said"),
    [(True, "prod", "changes that no commit holds"), (False, "fix", r"environment 'fix' \(branch 'fix'\) has made it")],
)
def test_production_deploys_no_version_of_a_dirty_tree_or_a_branch(
    world: World, dirty: bool, maker: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    production = load_environment("prod")
    lifecycle = Lifecycle.of(production, world.endpoints)
    branch = "" if maker == "prod" else maker
    tags = maker_tags(production, dirty) | {"fitwave.environment": maker, "fitwave.branch": branch}
    version = lifecycle.registry.register("de", world.package, "0", {}, tags | {"fitwave.status": "accepted"})
    with pytest.raises(DataError, match=f"is production and refuses version {version.number} of market 'de'.*{said}"):
        lifecycle.go_live(version, {})
    assert lifecycle.ledger.entries("de") == []
    assert lifecycle.state().champions == {}
    lifecycle.registry.assign("de", "champion", version.number)
    assert lifecycle.state().champions == {}
    assert lifecycle.history("de").roles.champion is None, "or the next challenger's entry would keep it"
    assert "not served, though MLflow has a role for it: environment 'prod' is production and refuses" in caplog.text
    lifecycle.registry.erase()
