"""Models through the real MLflow, Ray Train and xgboost-ray."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

import polars as pl
import pytest
import xgboost_ray

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Trainer
from libs.base.errors import DataError
from libs.base.market import Market, Training
from libs.features.tables import build_tables
from libs.models.assignment import REPORT_FILE, Assignment
from libs.models.contract import ModelRef
from libs.models.evaluation import Metrics
from libs.models.fingerprint import fingerprint
from libs.models.fleet import train_fleet
from libs.models.market_training import Trained, Untrained, read_result, train_market
from libs.models.package import load, save
from libs.models.registry import Registry
from libs.models.report import page
from libs.models.report.material import ReportMaterial
from libs.models.training import Fitted, fit_market
from tests.lost_actor import LosesAnActor
from tests.lost_worker import killed
from tests.small_market import AS_OF, small_market

TRAINING = Training(rounds=40, min_child_weight=5)
# Long enough to be killed in the middle of.
LONG = TRAINING.model_copy(update={"rounds": 600, "learning_rate": 0.02})


@pytest.fixture(scope="module")
def training_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("training"), lines=8_000)


def write_table(folder: Path, lines: int) -> str:
    data = small_market(lines=lines)
    tables = build_tables(Market(name="de"), data.lines, data.returns, data.customers, data.articles, AS_OF)
    path = folder / "training.parquet"
    tables.training.write_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def alone(training_path: str) -> Fitted:
    """What a single process makes of it."""
    return fit_market(Market(name="de", training=TRAINING), training_path, champion=None)


@pytest.fixture(scope="module")
def ray_cluster(endpoints: Endpoints) -> Iterator[None]:
    with connected(endpoints):
        yield


def assignment(name: str, path: str, folder: Path, training: Training = TRAINING) -> Assignment:
    return Assignment(Market(name=name, training=training), path, folder / name / "model", 1000)


def trained(result: Trained | Untrained) -> Trained:
    assert isinstance(result, Trained), result
    return result


def test_a_fleet_trains_like_a_single_process_and_a_bad_market_fails_alone(
    ray_cluster: None, training_path: str, alone: Fitted, tmp_path: Path
) -> None:
    thin = tmp_path / "thin.parquet"
    pl.read_parquet(training_path).head(50).write_parquet(thin)
    paths = {"de": training_path, "thin": str(thin), "us": training_path}
    interrupted = signal.getsignal(signal.SIGINT)
    results = train_fleet([assignment(name, path, tmp_path) for name, path in paths.items()], Trainer())
    assert signal.getsignal(signal.SIGINT) is interrupted, "Ctrl-C would not end this process any more"
    for name in ("de", "us"):
        one = trained(results[name])
        assert load(one.folder).booster.save_raw() == alone.package.booster.save_raw()
        assert one.metrics == alone.evaluation.overall
        assert one.report is not None
        assert "Size model of market" in one.report.read_text(encoding="utf-8")
        assert sorted(path.name for path in one.folder.parent.iterdir()) == ["model", "model.begun", "model.report"]
    failed = results["thin"]
    assert isinstance(failed, Untrained)
    assert "100 are needed" in failed.reason


def test_a_market_whose_rank_dies_is_trained_by_itself_from_its_checkpoint_and_its_neighbours_stay_trained(
    ray_cluster: None, training_path: str, alone: Fitted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = [assignment("de", training_path, tmp_path), assignment("long", training_path, tmp_path, LONG)]
    fleet[1] = replace(fleet[1], lines=10)  # the last one of the only rank
    kept = fleet[1].checkpoint
    with killed("ray::RayTrainWorker", kept.exists, times=1) as pids:
        results = train_fleet(fleet, Trainer(workers=1, checkpoint_s=0.2))
    assert len(pids) == 1
    assert "market long is trained once more, by itself" in caplog.text
    assert "market de is trained once more" not in caplog.text
    assert load(trained(results["de"]).folder).booster.save_raw() == alone.package.booster.save_raw()
    assert load(trained(results["long"]).folder).booster.num_boosted_rounds() == LONG.rounds
    assert not kept.exists()


@pytest.mark.slow
def test_a_market_that_kills_its_process_again_is_reported_and_fails_nobody_else(
    ray_cluster: None, training_path: str, tmp_path: Path
) -> None:
    fleet = [assignment("de", training_path, tmp_path), assignment("deadly", training_path, tmp_path, LONG)]
    fleet[1] = replace(fleet[1], lines=10)
    kept = fleet[1].checkpoint
    with (
        killed("ray::RayTrainWorker", kept.exists, times=1),
        killed("ray::train_market", kept.exists, times=1) as alone,
    ):
        results = train_fleet(fleet, Trainer(workers=1, checkpoint_s=0.2))
    assert len(alone) == 1
    trained(results["de"])
    failed = results["deadly"]
    assert isinstance(failed, Untrained)
    assert "training failed twice, the second time in a process of its own" in failed.reason


@pytest.mark.slow
def test_a_fleet_that_has_lost_a_node_for_good_is_trained_by_what_is_left(training_path: str, tmp_path: Path) -> None:
    # Ray's own defaults are to wait for a minute, again and again, and to call a node dead that did not answer five
    # times in 15 s.
    settings = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "1", "RAY_health_check_period_ms": "500"}
    process = subprocess.run(
        [sys.executable, "-m", "tests.lost_node", training_path, str(tmp_path)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert process.returncode == 0, process.stderr
    assert "is trained once more, by itself" in process.stderr
    for name in ("de", "us"):
        folder = assignment(name, training_path, tmp_path).folder
        assert load(folder).booster.num_boosted_rounds() == LONG.rounds


# Without draws by chance, so that a difference is the engine's.
CERTAIN = TRAINING.model_copy(update={"subsample": 1.0, "colsample": 1.0})


TOGETHER = {
    "by Ray Train": (CERTAIN, Trainer(distributed_from_lines=1)),
    "by xgboost-ray": (CERTAIN.model_copy(update={"engine": "xgboost_ray"}), Trainer()),
}


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Metrics]:
    """A table of more lines, and what a single process makes of it."""
    path = write_table(tmp_path_factory.mktemp("larger"), lines=24_000)
    return path, fit_market(Market(name="de", training=CERTAIN), path, champion=None).evaluation.overall


@pytest.mark.parametrize("engine", TOGETHER)
def test_several_workers_come_to_an_equivalent_model(
    ray_cluster: None, larger: tuple[str, Metrics], tmp_path: Path, engine: str
) -> None:
    (path, alone), (training, trainer) = larger, TOGETHER[engine]
    found = trained(train_fleet([assignment("de", path, tmp_path, training)], trainer)["de"]).metrics
    for measure in ("auc_macro", "auc_fit"):
        assert getattr(found, measure) == pytest.approx(getattr(alone, measure), abs=0.002)
    assert found.log_loss == pytest.approx(alone.log_loss, abs=0.002)


@pytest.mark.slow
def test_the_elastic_engine_goes_on_when_an_actor_is_killed_takes_it_back_and_comes_to_an_equivalent_model(
    ray_cluster: None, larger: tuple[str, Metrics], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, training = larger[0], CERTAIN.model_copy(update={"rounds": 200, "learning_rate": 0.02})
    alone = tmp_path / "alone"
    save(fit_market(Market(name="de", training=training), path, champion=None).package, alone)
    lost = LosesAnActor(tmp_path)
    monkeypatch.setattr(xgboost_ray, "train", partial(xgboost_ray.train, callbacks=[lost]))
    elastic = training.model_copy(update={"engine": "xgboost_ray"})
    de = replace(assignment("de", path, tmp_path, elastic), champion=ModelRef("1", str(alone), fingerprint(alone)))
    one = trained(train_fleet([de], Trainer())["de"])

    rounds = lost.rounds()
    assert [actors for actors, _ in groupby(one.actors for one in rounds)] == [2, 1, 2]
    assert [one.actors for one in rounds if one.number == training.rounds] == [2, 2], "the last round of either target"
    assert load(one.folder).booster.num_boosted_rounds() == training.rounds
    # The standards' own judgement, of both models on one holdout: not just measured, but beyond the noise of its draw.
    for standard in ("auc_macro under champion", "log_loss over champion"):
        check = one.judgement.check(standard)
        assert check is not None and check.low is not None and check.high is not None
        assert check.passed and not check.note, check


def test_a_report_that_cannot_be_drawn_does_not_lose_the_model(
    training_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, material: ReportMaterial) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(page, "write_report", fail)
    de = assignment("de", training_path, tmp_path)
    train_market(de, threads=1, every_s=60)
    one = trained(read_result(de))
    assert one.report_fault == "ValueError: no ink"
    assert one.report is None
    assert load(one.folder).card.market == "de"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("mlflow")
    return Registry("test", f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


@pytest.fixture(scope="module")
def package(alone: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    save(alone.package, folder)
    return folder


def test_versions_count_up_and_their_packages_load_by_hash(registry: Registry, package: Path) -> None:
    numbers = [registry.register("de", package, fingerprint(package), {"auc_macro": 0.7}, {}).number for _ in range(2)]
    assert numbers == ["1", "2"]
    assert [version.number for version in registry.versions("de")] == numbers
    ref = registry.version("de", "2").ref
    assert load(Path(ref.path), ref.sha256).card.market == "de"


def test_packages_and_reports_stay_where_the_registry_keeps_them(package: Path, tmp_path: Path) -> None:
    registry = Registry("test", f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "mlflow" / "artifacts")
    report = tmp_path / REPORT_FILE
    report.write_text("<!doctype html>", encoding="utf-8")
    version = registry.register("it", package, fingerprint(package), {}, {}, report)
    assert version.report is not None
    for path in (Path(version.ref.path), version.report):
        assert path.is_relative_to(tmp_path / "mlflow")


def test_a_report_is_logged_beside_the_package_and_is_no_part_of_it(
    registry: Registry, package: Path, tmp_path: Path
) -> None:
    report = tmp_path / REPORT_FILE
    report.write_text("<!doctype html>", encoding="utf-8")
    version = registry.register("fr", package, fingerprint(package), {}, {}, report)
    assert version.report is not None
    assert version.report.read_text(encoding="utf-8") == "<!doctype html>"
    assert not version.report.is_relative_to(version.ref.path)
    assert fingerprint(Path(version.ref.path)) == fingerprint(package)
    assert registry.register("fr", package, fingerprint(package), {}, {}).report is None


def test_a_role_is_given_to_a_version_or_to_nobody(registry: Registry, package: Path) -> None:
    assert registry.holders("us") == {}
    for _ in range(2):
        registry.register("us", package, fingerprint(package), {}, {})
    assert registry.holders("us") == {}
    registry.assign("us", "champion", "1")
    registry.assign("us", "challenger", "2")
    assert {role: one.number for role, one in registry.holders("us").items()} == {"champion": "1", "challenger": "2"}
    for _ in range(2):  # done before: done
        registry.assign("us", "champion", "2")
        registry.assign("us", "challenger", None)
    assert {role: one.number for role, one in registry.holders("us").items()} == {"champion": "2"}
    assert registry.holder("us", "challenger") is None


def test_only_tags_that_differ_are_written(registry: Registry, package: Path) -> None:
    for status in ("accepted", "rejected"):
        registry.register("es", package, fingerprint(package), {}, {"fitwave.status": status})
    registry.tag_where_different("es", {"1": {"fitwave.status": "promoted"}, "9": {"fitwave.status": "gone"}})
    assert [one.tags["fitwave.status"] for one in registry.versions("es")] == ["promoted", "rejected"]


def test_a_version_that_is_not_there_is_named_with_those_that_are(registry: Registry, package: Path) -> None:
    registry.register("uk", package, fingerprint(package), {}, {})
    with pytest.raises(DataError, match=r"market 'uk' has no version 9; it has \['1'\]"):
        registry.version("uk", "9")
