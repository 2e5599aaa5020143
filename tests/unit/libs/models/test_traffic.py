"""Live questions are counted once a second, and the counts of all replicas are read back as one."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from libs.features.frames import requests_from_training
from libs.features.lake import Lake
from libs.features.snapshot import Snapshot
from libs.models.contract import ModelRef
from libs.models.distributions import PREDICTION, Distributions
from libs.models.traffic import TrafficWatch, read_traffic
from libs.models.training import Fitted


class Clock:
    """A clock that moves when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def batch(fitted: Fitted) -> Snapshot:
    rows = fitted.holdout.head(200)
    return Snapshot(list(range(200)), requests_from_training(rows), [[str(size) for size in range(7)]] * 200)


@pytest.fixture
def ref(fitted: Fitted, batch: Snapshot, tmp_path: Path) -> ModelRef:
    Distributions.of(fitted.package, batch.requests).save(tmp_path)
    return ModelRef("3", str(tmp_path), "")


def today() -> date:
    return datetime.now(UTC).date()


def test_replicas_count_apart_and_are_read_together(
    fitted: Fitted, batch: Snapshot, ref: ModelRef, tmp_path: Path
) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    for number in (1, 2):
        watch = TrafficWatch(lake.root)
        watch.look("de", ref, fitted.package, batch.select(range(20 * number)))
        watch.close()
    found = read_traffic(lake, "de", "3", 1, today())
    assert found.questions == found.counts[PREDICTION].sum() == 60
    assert read_traffic(lake, "de", "4", 1, today()).questions == 0
    assert read_traffic(lake, "us", "3", 1, today()).questions == 0
    assert read_traffic(lake, "de", "3", 7, today() - timedelta(days=1)).questions == 0
    assert read_traffic(lake, "de", "3", 7, today() + timedelta(days=6)).questions == 60


def test_a_market_is_looked_at_once_a_second_and_then_at_some_of_a_large_batch(
    fitted: Fitted, batch: Snapshot, ref: ModelRef, tmp_path: Path
) -> None:
    lake, clock = Lake.open(str(tmp_path / "lake")), Clock()
    watch = TrafficWatch(lake.root, clock)
    for now in (100.0, 100.5, 101.0, 101.9):
        clock.now = now
        watch.look("de", ref, fitted.package, batch)
    watch.look("us", ref, fitted.package, batch.select(range(3)))
    watch.close()
    assert read_traffic(lake, "de", "3", 1, today()).questions == 2 * 50
    assert read_traffic(lake, "us", "3", 1, today()).questions == 3


def test_counts_are_those_of_the_models_own_bins(
    fitted: Fitted, batch: Snapshot, ref: ModelRef, tmp_path: Path
) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    watch = TrafficWatch(lake.root)
    some = batch.select(range(40))
    watch.look("de", ref, fitted.package, some)
    watch.close()
    trained_on = Distributions.load(tmp_path)
    assert trained_on is not None
    for name, counts in trained_on.count(fitted.package, some.requests).items():
        assert np.array_equal(read_traffic(lake, "de", "3", 1, today()).counts[name], counts)


def test_a_batch_without_known_articles_and_a_model_without_distributions_are_passed_over(
    fitted: Fitted, batch: Snapshot, tmp_path: Path
) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    watch = TrafficWatch(lake.root)
    watch.look("de", ModelRef("1", str(tmp_path), ""), fitted.package, batch)
    watch.look("us", ModelRef("1", str(tmp_path), ""), fitted.package, batch.select([]))
    watch.close()
    assert not (tmp_path / "lake").exists()


def test_what_cannot_be_written_is_kept_for_the_next_time(
    fitted: Fitted, batch: Snapshot, ref: ModelRef, tmp_path: Path
) -> None:
    (tmp_path / "lake").write_text("no folder", encoding="utf-8")
    lake = Lake.open(str(tmp_path / "lake"))
    watch = TrafficWatch(lake.root)
    watch.look("de", ref, fitted.package, batch.select(range(10)))
    with pytest.raises(OSError, match="lake"):
        watch.flush()
    (tmp_path / "lake").unlink()
    watch.close()
    assert read_traffic(lake, "de", "3", 1, today()).questions == 10


def test_no_customer_is_in_the_counts(fitted: Fitted, batch: Snapshot, ref: ModelRef, tmp_path: Path) -> None:
    watch = TrafficWatch(str(tmp_path / "lake"))
    watch.look("de", ref, fitted.package, batch)
    watch.close()
    [path] = (tmp_path / "lake").rglob("*.json")
    assert not any(customer in path.read_text() for customer in pl.Series(fitted.holdout["customer_id"]).head(200))
