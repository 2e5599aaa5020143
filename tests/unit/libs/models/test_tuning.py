"""The search: what it may look at, what it may change, and when what it found is better."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from libs.base.errors import DataError
from libs.base.market import Training
from libs.features.splits import CALIBRATION, HOLDOUT, TRAIN
from libs.models import tuning
from libs.models.bootstrap import Interval
from libs.models.ordinal import boost, booster_data, fit_booster
from libs.models.tuning import (
    SPACE,
    Budget,
    Inner,
    Trial,
    Tuned,
    inner_data,
    inner_windows,
    search,
    searched,
    validation_losses,
)
from tests.unit.libs.models.conftest import MARKET

GOOD, BAD = MARKET.training, Training(rounds=1, max_depth=1)


@pytest.fixture(scope="module")
def inner(training_path: Path) -> Inner:
    return inner_data(MARKET, str(training_path))


def test_the_train_window_is_cut_in_the_order_of_time_and_as_long_as_the_markets_windows(training_path: Path) -> None:
    rows = pl.read_parquet(training_path)
    parts = inner_windows(MARKET, rows)
    assert sum(map(len, parts.values())) == len(rows.filter(pl.col("split") == TRAIN))
    begins = {name: part["ordered_at"].min() for name, part in parts.items()}
    ends = {name: part["ordered_at"].max() for name, part in parts.items()}
    assert ends[TRAIN] < begins[CALIBRATION] < ends[CALIBRATION] < begins[HOLDOUT]  # type: ignore[operator]
    length = ends[HOLDOUT] - begins[HOLDOUT]  # type: ignore[operator]
    assert timedelta(days=13) < length < timedelta(days=MARKET.training.holdout_days)  # type: ignore[operator]


def test_the_calibration_and_holdout_windows_are_never_looked_at(
    inner: Inner, training_path: Path, tmp_path: Path
) -> None:
    pl.read_parquet(training_path).filter(pl.col("split") == TRAIN).write_parquet(tmp_path / "train.parquet")
    alone = inner_data(MARKET, str(tmp_path / "train.parquet"))
    for part, other in zip(vars(inner).values(), vars(alone).values(), strict=True):
        assert part.rows.tobytes() == other.rows.tobytes()
        assert np.array_equal(part.outcomes, other.outcomes)


def test_a_train_window_too_short_to_be_cut_is_told_what_to_do(training_path: Path) -> None:
    rows = pl.read_parquet(training_path).filter(pl.col("split") == TRAIN).sort("ordered_at").tail(1_000)
    with pytest.raises(DataError, match=r"'de' has 0 lines in the train part of its train window, 100 are needed"):
        inner_windows(MARKET, rows)


def test_a_trial_fits_what_a_week_would_fit(inner: Inner) -> None:
    data = booster_data(inner.fit.rows, inner.fit.outcomes)
    first = validation_losses(inner, data, GOOD)
    # Other sets on the same data leave nothing behind.
    validation_losses(inner, data, BAD)
    assert np.array_equal(validation_losses(inner, data, GOOD), first)
    booster = fit_booster(inner.fit.rows, inner.fit.outcomes, GOOD)
    assert booster.save_raw() == boost(data, GOOD).save_raw()


def test_every_searched_name_is_one_of_the_config_and_stays_valid_and_readable() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = {name: domain.sample(random_state=rng) for name, domain in SPACE.items()}
        training = tuning._with(GOOD, drawn)
        assert searched(training).keys() == SPACE.keys()
        assert all(len(f"{value!r}") <= 6 for value in searched(training).values())
        assert training.seed == GOOD.seed


def run_of(monkeypatch: pytest.MonkeyPatch, trials: list[Trial], faults: list[str]) -> None:
    def run(*_: Any) -> tuple[list[Trial], list[str]]:
        return trials, faults

    monkeypatch.setattr(tuning, "_run", run)


def found_by(monkeypatch: pytest.MonkeyPatch, training_path: Path, current: Training, trials: list[Training]) -> Tuned:
    run_of(monkeypatch, [Trial(one, 0.5, 1.0) for one in trials], [])
    market = MARKET.model_copy(update={"training": current})
    return search(market, str(training_path), Budget(), training_path.parent)


def test_a_clearly_better_set_is_better_and_the_difference_has_an_interval(
    monkeypatch: pytest.MonkeyPatch, training_path: Path
) -> None:
    found = found_by(monkeypatch, training_path, BAD, [GOOD, BAD])
    assert found.better
    assert found.interval.low < found.difference < found.interval.high < 0
    assert found.values == searched(GOOD)
    assert found.lines.keys() == {"fit", "calibration", "validation"}


def test_what_is_worse_or_the_same_is_not_better(monkeypatch: pytest.MonkeyPatch, training_path: Path) -> None:
    assert not found_by(monkeypatch, training_path, GOOD, [BAD, GOOD]).better
    assert not found_by(monkeypatch, training_path, GOOD, [GOOD]).better


def test_the_best_of_many_sets_has_to_be_better_by_more() -> None:
    excess, customers = np.random.default_rng(0).normal(-0.01, 0.2, 3_000), np.arange(3_000).astype(object)

    def length(tried: int) -> float:
        found = tuning._interval(excess, customers, 0.95, tried)
        return found.high - found.low

    assert length(2) == pytest.approx(2 * 1.96 * excess.std() / np.sqrt(3_000), rel=0.1)
    # 1.96 standard errors for one set beside the configured one, 3.02 for twenty.
    assert length(21) / length(2) == pytest.approx(3.02 / 1.96, abs=0.01)
    assert tuning._interval(excess[:10], customers[:10], 0.95, 2) == Interval(-np.inf, np.inf)


def test_a_budget_in_which_nothing_ends_is_said_to_be_too_small(
    monkeypatch: pytest.MonkeyPatch, training_path: Path
) -> None:
    run_of(monkeypatch, [], [])
    with pytest.raises(DataError, match=r"no trial ended within 10 minutes: .* Give --minutes more"):
        search(MARKET, str(training_path), Budget(), training_path.parent)
    run_of(monkeypatch, [], ["MemoryError"])
    with pytest.raises(DataError, match="MemoryError"):
        search(MARKET, str(training_path), Budget(), training_path.parent)


@pytest.mark.parametrize("budget", [{"minutes": 0}, {"trials": 0}, {"concurrent": 0}])
def test_a_budget_of_nothing_is_refused(budget: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="a search needs minutes, trials and CPUs"):
        Budget(**budget)
