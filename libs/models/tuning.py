"""Search a market's hyper-parameters with Ray Tune, on demand and within a budget.

The search sees the train window only. It is cut once more as the market cuts its weeks: to fit, to calibrate and to
validate, in this order of time and as long as the market's own windows. The calibration and holdout windows stay out of
sight, so the standards and the champion are still met on lines that nothing was chosen by.

Sets are drawn at random from `SPACE`; the configured one is the first trial. There is no scheduler that stops trials
early: a slow learner is behind until it is not, so rounds and learning rate would be judged by who is first, and a
trial takes seconds. What is expensive is a process and its copy of the data, so trials share both.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import ray
from ray import tune
from ray.tune.search.basic_variant import BasicVariantGenerator

from libs.base.errors import DataError
from libs.base.market import Market, Training
from libs.features.assembly import Matrix
from libs.features.splits import CALIBRATION, HOLDOUT, TRAIN
from libs.models import weighted
from libs.models.bootstrap import Interval, replicates
from libs.models.examples import bought, learned
from libs.models.ordinal import boost, booster_data, fit_calibration, log_losses, margins, probabilities
from libs.models.outcomes import Codes
from libs.models.training import MIN_LINES

# What is searched, between ends that boosted trees of this size were seen to do well in; steps that a person can read.
SPACE: dict[str, Any] = {
    "rounds": tune.qrandint(50, 400, 10),
    "max_depth": tune.randint(3, 9),
    "learning_rate": tune.qloguniform(0.03, 0.3, 0.005),
    "min_child_weight": tune.qloguniform(1.0, 100.0, 1.0),
    "subsample": tune.quniform(0.5, 1.0, 0.05),
    "colsample": tune.quniform(0.3, 1.0, 0.05),
}
# Steps are sums of floats; this takes the dust off and keeps what people write.
_DIGITS = 6

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Budget:
    """When the search ends, whichever comes first; `concurrent` trials at a time, of one CPU each."""

    minutes: float = 10.0
    trials: int = 40
    concurrent: int = 2

    def __post_init__(self) -> None:
        if self.minutes <= 0 or self.trials < 1 or self.concurrent < 1:
            raise DataError(f"a search needs minutes, trials and CPUs: {asdict(self)}")


@dataclass(frozen=True)
class Part:
    """Lines of one inner window: assembled rows (n, F), outcomes (n,), whose lines they are (n,)."""

    rows: Matrix
    outcomes: Codes
    customers: npt.NDArray[np.object_]


@dataclass(frozen=True)
class Inner:
    """The train window, cut once more."""

    fit: Part
    calibration: Part
    validation: Part


@dataclass(frozen=True)
class Trial:
    """One set that was tried, and its log loss on the validation lines."""

    training: Training
    log_loss: float
    seconds: float


@dataclass(frozen=True)
class Tuned:
    """What a search came to. `difference`: the found set's log loss less the configured one's, so that less is better.

    `trials` are those that ended, best first; `faults` why others failed. What the budget cut short is in neither.
    """

    trials: list[Trial]
    faults: list[str]
    current: Training
    found: Training
    difference: float
    interval: Interval
    lines: dict[str, int]
    seconds: float

    @property
    def better(self) -> bool:
        """Whether the found set is surely better, also after having been chosen as the best of so many."""
        return self.found != self.current and self.interval.high < 0

    @property
    def values(self) -> dict[str, int | float]:
        """The found set, by the names of the config."""
        return searched(self.found)


def searched(training: Training) -> dict[str, int | float]:
    """The part of a training config that is searched."""
    return {name: getattr(training, name) for name in SPACE}


def inner_windows(market: Market, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Cut the train window of a training table, (n), into train, calibration and holdout of its own.

    Raises:
        DataError: one of them has too few lines.
    """
    seen = rows.filter(pl.col("split") == TRAIN)
    end, ordered = pl.col("ordered_at").max(), pl.col("ordered_at")
    validation = end - timedelta(days=market.training.holdout_days)
    calibration = validation - timedelta(days=market.training.calibration_days)
    inner = {
        TRAIN: seen.filter(ordered <= calibration),
        CALIBRATION: seen.filter((ordered > calibration) & (ordered <= validation)),
        HOLDOUT: seen.filter(ordered > validation),
    }
    for name, part in inner.items():
        if len(part) < MIN_LINES:
            raise DataError(
                f"market {market.name!r} has {len(part)} lines in the {name} part of its train window, {MIN_LINES} are "
                f"needed to search in it. Wait for more data, or shorten holdout_days and calibration_days."
            )
    return inner


def inner_data(market: Market, training_path: str) -> Inner:
    """Read and assemble what the trials share."""
    inner = inner_windows(market, pl.read_parquet(training_path))
    assembled = _assembled(inner)
    customers = {name: rows["customer_id"].to_numpy() for name, rows in inner.items()}
    return Inner(*(Part(*assembled[name], customers[name]) for name in (TRAIN, CALIBRATION, HOLDOUT)))


def _assembled(inner: Mapping[str, pl.DataFrame]) -> dict[str, tuple[Matrix, Codes]]:
    """Rows and outcomes of each window, as training assembles them."""
    return {name: learned(rows) if name == TRAIN else bought(rows, with_choice=True) for name, rows in inner.items()}


def search(market: Market, training_path: str, budget: Budget, folder: Path) -> Tuned:
    """Search the market's hyper-parameters; the caller is connected to Ray.

    The same table, trials and seed (the market's `training.seed`) try the same sets with the same results; how many
    finish within the minutes depends on the machine.

    Args:
        market: its training config is where the search starts, and names windows and seed.
        training_path: its training table.
        budget: when to end.
        folder: where Ray Tune keeps its state; every node must reach it.

    Raises:
        DataError: the train window is too thin to be cut, or no trial ended within the minutes.
    """
    began = time.monotonic()
    inner = inner_data(market, training_path)
    trials, faults = _run(market, inner, budget, folder)
    if not trials:
        why = "; ".join(faults) or "the first was not done yet"
        raise DataError(f"no trial ended within {budget.minutes:g} minutes: {why}. Give --minutes more.")
    found = trials[0].training
    data = booster_data(inner.fit.rows, inner.fit.outcomes)
    excess = validation_losses(inner, data, found) - validation_losses(inner, data, market.training)
    return Tuned(
        trials=trials,
        faults=faults,
        current=market.training,
        found=found,
        difference=float(excess.mean()),
        interval=_interval(excess, inner.validation.customers, market.standards.confidence, len(trials)),
        lines={name: len(part.customers) for name, part in vars(inner).items()},
        seconds=time.monotonic() - began,
    )


def validation_losses(inner: Inner, data: Any, training: Training) -> Losses:
    """Fit, calibrate and answer as a week does: the loss of each validation line, (n,)."""
    booster = boost(data, training)
    calibration = fit_calibration(margins(booster, inner.calibration.rows), inner.calibration.outcomes)
    predicted = probabilities(margins(booster, inner.validation.rows), calibration)
    return log_losses(predicted, inner.validation.outcomes)


def _interval(excess: Losses, customers: npt.NDArray[np.object_], confidence: float, tried: int) -> Interval:
    """The difference's interval, wide enough for the best of so many sets on the lines that it was chosen by.

    Source: Bonferroni's inequality over the sets tried. Its tails are beyond what a thousand replicates show, so the
    replicates give the spread and the normal distribution the rest: the mean of thousands of bounded losses allows it.
    """
    drawn = replicates(customers, {"excess": weighted.mean(excess)})["excess"]
    if not len(drawn):
        return Interval(-np.inf, np.inf)
    reach = NormalDist().inv_cdf(1 - (1 - confidence) / 2 / max(tried - 1, 1)) * float(drawn.std())
    return Interval(float(excess.mean()) - reach, float(excess.mean()) + reach)


class _Trainable(tune.Trainable):
    """One process that tries one set after another on the same data."""

    # Tune hands over what all trials share, from the object store, as further arguments.
    def setup(self, config: dict[str, Any], inner: Inner, training: Training) -> None:  # type: ignore[override]
        self._inner, self._current = inner, training
        self._data = booster_data(inner.fit.rows, inner.fit.outcomes)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        began = time.monotonic()
        losses = validation_losses(self._inner, self._data, _with(self._current, self.config))
        # One report a trial: each costs the whole way through Tune.
        return {"log_loss": float(losses.mean()), "seconds": time.monotonic() - began, "done": True}


def _with(training: Training, config: Mapping[str, Any]) -> Training:
    values = {name: round(value, _DIGITS) for name, value in config.items()}
    return Training.model_validate(training.model_dump() | values)


def _run(market: Market, inner: Inner, budget: Budget, folder: Path) -> tuple[list[Trial], list[str]]:
    # Its loggers write three files a trial that nobody reads; its new output prints a header however quiet it is told
    # to be; and it warns of a configured set beyond the space, and of trials that the budget cut short.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    shared = tune.with_parameters(_Trainable, inner=inner, training=market.training)
    tuner = tune.Tuner(
        tune.with_resources(shared, {"CPU": 1}),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="log_loss",
            mode="min",
            num_samples=budget.trials,
            time_budget_s=60 * budget.minutes,
            reuse_actors=True,
            search_alg=BasicVariantGenerator(
                points_to_evaluate=[searched(market.training)],
                max_concurrent=min(budget.concurrent, int(ray.cluster_resources().get("CPU", 1))),
                random_state=market.training.seed,
            ),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            verbose=0,
            # A trial has nothing to go on from: the next one starts anew.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    results = tuner.fit()
    ended = [one for one in map(results.__getitem__, range(len(results))) if "log_loss" in (one.metrics or {})]
    faults = sorted({str(error).strip().splitlines()[-1] for error in results.errors})
    trials = [_trial(market.training, one.config or {}, one.metrics or {}) for one in ended]
    return sorted(trials, key=lambda one: (one.log_loss, one.seconds)), faults


def _trial(training: Training, config: Mapping[str, Any], metrics: Mapping[str, Any]) -> Trial:
    return Trial(_with(training, config), metrics["log_loss"], metrics["seconds"])
