"""Models through the real MLflow, Ray Train and xgboost-ray."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.errors import DataError
from libs.base.market import Market, Training
from libs.features.tables import build_tables
from libs.models.fleet import REPORT_FILE, Assignment, Trained, Untrained, read_result, train_fleet, train_market
from libs.models.package import fingerprint, load, save
from libs.models.registry import Registry
from libs.models.report import page
from libs.models.report.material import ReportMaterial
from libs.models.training import fit_market
from tests.small_market import AS_OF, small_market

TRAINING = Training(rounds=40, min_child_weight=5)


@pytest.fixture(scope="module")
def training_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    data = small_market(lines=8_000)
    tables = build_tables(Market(name="de"), data.lines, data.returns, data.customers, data.articles, AS_OF)
    path = tmp_path_factory.mktemp("training") / "training.parquet"
    tables.training.write_parquet(path)
    return str(path)


def assignment(name: str, path: str, training: Training = TRAINING) -> Assignment:
    return Assignment(Market(name=name, training=training), path, 1000, None, None)


@pytest.fixture(scope="module")
def ray_cluster(endpoints: Endpoints) -> Iterator[None]:
    with connected(endpoints):
        yield


def test_a_fleet_trains_like_a_single_process_and_a_bad_market_fails_alone(
    ray_cluster: None, training_path: str, tmp_path: Path
) -> None:
    thin = tmp_path / "thin.parquet"
    pl.read_parquet(training_path).head(50).write_parquet(thin)
    assignments = [assignment("de", training_path), assignment("thin", str(thin)), assignment("us", training_path)]
    results = train_fleet(assignments, tmp_path / "models", workers=2, threads=1)
    alone = fit_market(Market(name="de", training=TRAINING), training_path, champion=None)
    for name in ("de", "us"):
        trained = results[name]
        assert isinstance(trained, Trained)
        assert load(trained.folder).booster.save_raw() == alone.package.booster.save_raw()
        assert trained.metrics == alone.evaluation.overall
        assert "Size model of market" in (trained.folder / REPORT_FILE).read_text(encoding="utf-8")
    failed = results["thin"]
    assert isinstance(failed, Untrained)
    assert "100 are needed" in failed.reason


def test_the_elastic_engine_gives_an_equivalent_model(ray_cluster: None, training_path: str, tmp_path: Path) -> None:
    elastic = TRAINING.model_copy(update={"engine": "xgboost_ray"})
    results = train_fleet([assignment("de", training_path, elastic)], tmp_path / "models", workers=2, threads=1)
    trained = results["de"]
    assert isinstance(trained, Trained), trained
    alone = fit_market(Market(name="de", training=TRAINING), training_path, champion=None).evaluation.overall
    assert trained.metrics.auc_macro == pytest.approx(alone.auc_macro, abs=0.01)
    assert trained.metrics.log_loss == pytest.approx(alone.log_loss, abs=0.01)


def test_a_report_that_cannot_be_drawn_does_not_lose_the_model(
    training_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, material: ReportMaterial) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(page, "write_report", fail)
    train_market(assignment("de", training_path), tmp_path / "de", threads=1)
    trained = read_result(tmp_path / "de")
    assert isinstance(trained, Trained)
    assert trained.report_fault == "ValueError: no ink"
    assert not (trained.folder / REPORT_FILE).exists()
    assert load(trained.folder).card.market == "de"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("mlflow")
    return Registry("test", f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


@pytest.fixture(scope="module")
def package(training_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    save(fit_market(Market(name="de", training=TRAINING), training_path, champion=None).package, folder)
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


def test_a_role_changes_hands_only_from_whom_it_was_expected(registry: Registry, package: Path) -> None:
    for _ in range(3):
        registry.register("us", package, fingerprint(package), {}, {})
    assert registry.holder("us", "champion") is None
    registry.assign("us", "champion", "1", None)
    registry.assign("us", "champion", "2", "1")
    registry.assign("us", "champion", "2", "1")  # done before: done
    with pytest.raises(DataError, match="the champion of market 'us' is version 2, not 1 as expected"):
        registry.assign("us", "champion", "3", "1")
    holder = registry.holder("us", "champion")
    assert holder is not None
    assert holder.number == "2"
    registry.release("us", "champion")
    registry.release("us", "champion")
    assert registry.holder("us", "champion") is None


def test_a_version_that_is_not_there_is_named_with_those_that_are(registry: Registry, package: Path) -> None:
    registry.register("uk", package, fingerprint(package), {}, {})
    with pytest.raises(DataError, match=r"market 'uk' has no version 9; it has \['1'\]"):
        registry.version("uk", "9")
