"""What training leaves in a market's folder."""

from pathlib import Path

import polars as pl
import pytest

from libs.models.assignment import Assignment
from libs.models.contract import ModelRef
from libs.models.fingerprint import BOOSTER_FILE, fingerprint
from libs.models.market_training import QUALITY_FILE, Trained, Untrained, read_result, train_market
from libs.models.package import FORMAT, Package, save
from libs.models.report import page
from libs.models.report.material import ReportMaterial
from libs.models.training import Fitted
from tests.unit.libs.models.conftest import MARKET
from tests.unit.libs.models.test_rival import middle, trained_until


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds, and has tests of its own."""

    def write(path: Path, material: ReportMaterial) -> None:
        path.write_text("", encoding="utf-8")

    monkeypatch.setattr(page, "write_report", write)


def trained_beside(
    training_path: Path, folder: Path, champion: str | None, sha256: str | None = None
) -> Trained | Untrained:
    """Train into `<folder>/de`, beside the champion of this number, whose package is in `<folder>/champion`."""
    path = folder / "champion"
    ref = ModelRef(champion, str(path), sha256 or fingerprint(path)) if champion else None
    assignment = Assignment(MARKET, str(training_path), folder / "de", 1_000, ref)
    train_market(assignment, threads=1, every_s=60)
    return read_result(assignment)


def test_paired_losses_are_of_lines_that_neither_model_has_seen_and_the_judgement_is_of_the_same(
    fitted: Fitted, training_path: Path, tmp_path: Path
) -> None:
    """The shadow's verdict reads these losses: the champion's are absent where it would be flattered."""
    until = middle(fitted.holdout)
    save(trained_until(fitted.package, until), tmp_path / "champion")
    trained = trained_beside(training_path, tmp_path, "1")
    losses = pl.read_parquet(tmp_path / "de" / QUALITY_FILE)
    seen = (fitted.holdout["ordered_at"] <= until).to_list()
    ids = fitted.holdout["customer_id"].to_list()
    customers = losses["customer"].to_list()
    assert len(set(zip(ids, customers, strict=True))) == len(set(ids)) == len(set(customers))
    assert not set(ids) & set(map(str, customers)), "who the customers are stays out of the registry"
    assert losses["champion"].is_null().to_list() == seen
    assert losses["challenger"].null_count() == 0
    assert isinstance(trained, Trained)
    unseen = trained.judgement.check("lines unseen by champion")
    assert unseen is not None
    assert unseen.value == seen.count(False)
    assert trained.champion_metrics is not None
    assert trained.champion_metrics.lines == seen.count(False)


def test_a_market_without_a_champion_has_no_losses_of_one(fitted: Fitted, training_path: Path, tmp_path: Path) -> None:
    trained = trained_beside(training_path, tmp_path, None)
    losses = pl.read_parquet(tmp_path / "de" / QUALITY_FILE)
    assert losses["champion"].null_count() == len(losses) == len(fitted.holdout)
    assert isinstance(trained, Trained)
    assert trained.judgement.check("lines unseen by champion") is None
    assert trained.champion_metrics is None


def test_a_champion_of_another_release_is_not_compared_with_and_does_not_stop_the_week(
    fitted: Fitted, training_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older = fitted.package.card.model_copy(update={"format": 1})
    save(Package(older, fitted.package.booster), tmp_path / "champion")
    trained = trained_beside(training_path, tmp_path, "3")
    assert isinstance(trained, Trained)
    assert trained.champion_version is None
    assert trained.champion_metrics is None
    assert "market de: champion v3 is not compared with" in caplog.text
    assert f"format 1, and this code reads {FORMAT}" in caplog.text


def test_an_altered_champion_fails_its_market_unread(fitted: Fitted, training_path: Path, tmp_path: Path) -> None:
    save(fitted.package, tmp_path / "champion")
    registered = fingerprint(tmp_path / "champion")
    (tmp_path / "champion" / BOOSTER_FILE).write_bytes(b"{}")
    untrained = trained_beside(training_path, tmp_path, "3", registered)
    assert isinstance(untrained, Untrained)
    assert "is not the registered package" in untrained.reason


def test_a_market_that_has_a_result_is_not_trained_again(training_path: Path, tmp_path: Path) -> None:
    first = trained_beside(training_path, tmp_path, None)
    (tmp_path / "de" / BOOSTER_FILE).write_bytes(b"kept as it is")
    assert trained_beside(training_path, tmp_path, None) == first
    assert (tmp_path / "de" / BOOSTER_FILE).read_bytes() == b"kept as it is"
