"""All due markets in one Ray Train run: the ranks of one worker group share the markets out.

A run per market costs 25 to 30 CPU-seconds of process starts each; one group pays that once. Markets go to ranks
largest first, so that no rank waits long for another. A market that fails is reported and its neighbours go on.
"""

import json
import logging
import shutil
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import ray.train
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.exceptions import TrainingFailedError

from libs.base.errors import FitwaveError, InvariantError
from libs.base.market import Market
from libs.features.assembly import Requests
from libs.features.frames import requests_from_training
from libs.features.rules import FunnelStep
from libs.models.distributions import Distributions
from libs.models.elastic import fit_elastic
from libs.models.evaluation import Metrics
from libs.models.ordinal import fit_booster
from libs.models.package import OtherFormatError, load, save
from libs.models.report.material import Champion, ReportMaterial
from libs.models.rival import Rival
from libs.models.standards import Judgement, judge, judgement_from
from libs.models.training import Fitted, fit_market

log = logging.getLogger(__name__)

RESULT_FILE, QUALITY_FILE, REPORT_FILE = "result.json", "quality.parquet", "report.html"

# A rank whose worker dies is started again this often before the run gives up.
_MAX_FAILURES = 2
# Lines of the holdout whose inputs and answers are kept as distributions: as good as all of them, and bounded.
_MOST_DISTRIBUTED = 20_000
# Why a report was not drawn becomes a tag of the version, which MLflow limits; the log has all of it.
_LONGEST_FAULT = 500


@dataclass(frozen=True)
class Assignment:
    """One market to train: its table, how large it is, the live model to compare with, and what the rules let through
    for its report to tell.
    """

    market: Market
    training_path: str
    lines: int
    champion: str | None
    champion_version: str | None
    funnel: tuple[FunnelStep, ...] = ()


@dataclass(frozen=True)
class Trained:
    """One market's result: the package's folder, what was measured, and what the standards say.

    `shifts` says how far inputs and answers of the champion have moved since it was trained, `report_fault` why there
    is no `report.html` in the folder; empty when there is one.
    """

    market: str
    folder: Path
    metrics: Metrics
    slices: dict[str, Metrics]
    champion_metrics: Metrics | None
    champion_version: str | None
    judgement: Judgement
    shifts: Mapping[str, float]
    report_fault: str = ""


@dataclass(frozen=True)
class Untrained:
    """A market whose training failed, and why."""

    market: str
    reason: str


def share_out(assignments: Sequence[Assignment], ranks: int) -> list[list[Assignment]]:
    """Give each rank its markets: the largest first, each to the rank with the fewest lines so far."""
    shares: list[list[Assignment]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for assignment in sorted(assignments, key=lambda one: (-one.lines, one.market.name)):
        rank = loads.index(min(loads))
        shares[rank].append(assignment)
        loads[rank] += assignment.lines
    return shares


def train_fleet(
    assignments: Sequence[Assignment], folder: Path, workers: int, threads: int
) -> dict[str, Trained | Untrained]:
    """Train these markets; the caller is connected to Ray.

    Writes `<folder>/<market>/` with the package and its distributions, `result.json`, `quality.parquet`, the paired
    losses of challenger and champion on the holdout, and `report.html`, the same for people.

    Raises:
        InvariantError: the worker group itself failed more often than it is restarted.
    """
    fleet = [one for one in assignments if one.market.training.engine == "ray_train"]
    results: dict[str, Trained | Untrained] = {}
    if fleet:
        results |= _train_shared(fleet, folder, min(workers, len(fleet)), threads)
    for assignment in assignments:
        if assignment.market.training.engine == "xgboost_ray":
            results[assignment.market.name] = _train_elastic(assignment, folder, workers, threads)
    return results


def _train_shared(
    fleet: Sequence[Assignment], folder: Path, workers: int, threads: int
) -> dict[str, Trained | Untrained]:
    storage = folder / "ray-train"
    trainer = DataParallelTrainer(
        _train_rank,
        train_loop_config={"shares": share_out(fleet, workers), "threads": threads},
        scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(
            name="fleet", storage_path=str(storage), failure_config=FailureConfig(max_failures=_MAX_FAILURES)
        ),
    )
    try:
        result = trainer.fit()
    except TrainingFailedError as error:
        raise InvariantError(f"the training worker group failed: {error}. Its logs are under {storage}.") from error
    if result.checkpoint is None:
        raise InvariantError(f"the training run left no checkpoint under {storage}")
    with result.checkpoint.as_directory() as checkpoint:
        for assignment in fleet:
            target = folder / assignment.market.name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(checkpoint) / assignment.market.name, target)
    shutil.rmtree(storage)
    return {one.market.name: read_result(folder / one.market.name) for one in fleet}


def _train_rank(config: Mapping[str, Any]) -> None:
    """One rank: its share of markets, then one report for all of them. A report costs seconds, so there is only one."""
    share = config["shares"][ray.train.get_context().get_world_rank()]
    with tempfile.TemporaryDirectory() as folder:
        for assignment in share:
            train_market(assignment, Path(folder) / assignment.market.name, config["threads"])
        ray.train.report({"markets": len(share)}, checkpoint=Checkpoint.from_directory(folder))


def _train_elastic(assignment: Assignment, folder: Path, workers: int, threads: int) -> Trained | Untrained:
    target = folder / assignment.market.name
    shutil.rmtree(target, ignore_errors=True)
    train_market(assignment, target, threads, workers)
    return read_result(target)


def train_market(assignment: Assignment, folder: Path, threads: int, workers: int = 1) -> None:
    """Train one market into `folder`; a failure is written there as the result, never raised."""
    folder.mkdir(parents=True)
    market = assignment.market
    fit = fit_elastic(workers) if market.training.engine == "xgboost_ray" else fit_booster
    try:
        champion = _champion(assignment)
        fitted = fit_market(market, assignment.training_path, champion.package if champion else None, threads, fit)
        _write(assignment, fitted, champion, folder)
    except FitwaveError as error:
        _write_failure(folder, str(error))
    # The wall between markets: whatever breaks one may not take the others of its rank with it.
    except Exception as error:
        log.exception("market %s", market.name)
        _write_failure(folder, f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}")


def _write_failure(folder: Path, reason: str) -> None:
    (folder / RESULT_FILE).write_text(json.dumps({"reason": reason}), encoding="utf-8")


def _champion(assignment: Assignment) -> Champion | None:
    """The live model to compare with. One of another release cannot be asked: the week goes on without it."""
    if assignment.champion is None or assignment.champion_version is None:
        return None
    try:
        return Champion(assignment.champion_version, load(Path(assignment.champion)))
    except OtherFormatError as error:
        version = assignment.champion_version
        log.warning("market %s: champion v%s is not compared with: %s", assignment.market.name, version, error)
        return None


def _write(assignment: Assignment, fitted: Fitted, champion: Champion | None, folder: Path) -> None:
    save(fitted.package, folder)
    requests = requests_from_training(fitted.holdout.gather_every(-(-len(fitted.holdout) // _MOST_DISTRIBUTED)))
    Distributions.of(fitted.package, requests).save(folder)
    # Which lines are one customer's is all that is asked of them: an id would stay in the registry for ever.
    losses = fitted.holdout.select(customer=pl.col("customer_id").rank("dense")).with_columns(
        challenger=pl.Series(fitted.evaluation.losses),
        champion=_losses(fitted.champion) if fitted.champion else pl.lit(None, pl.Float64),
    )
    losses.write_parquet(folder / QUALITY_FILE)
    judgement = judge(assignment.market.standards, fitted.evaluation, fitted.champion)
    fault = _write_report(assignment, fitted, champion, judgement, folder)
    result = {
        "metrics": asdict(fitted.evaluation.overall),
        "slices": {name: asdict(metrics) for name, metrics in fitted.evaluation.slices.items()},
        "champion_metrics": _metrics(fitted.champion),
        "champion_version": champion.version if champion else None,
        "judgement": asdict(judgement),
        "shifts": _shifts(assignment, champion, requests),
        "report_fault": fault,
    }
    (folder / RESULT_FILE).write_text(json.dumps(result, indent=1), encoding="utf-8")


def _shifts(assignment: Assignment, champion: Champion | None, requests: Requests) -> dict[str, float]:
    if champion is None or assignment.champion is None:
        return {}
    trained_on = Distributions.load(Path(assignment.champion))
    return trained_on.shifts(trained_on.count(champion.package, requests)) if trained_on else {}


def _write_report(
    assignment: Assignment, fitted: Fitted, champion: Champion | None, judgement: Judgement, folder: Path
) -> str:
    """Write the market's report; why that failed comes back, for the version's tags and the week's table."""
    try:
        # Only a rank draws; the driver, which imports this module too, has no use for a plot library.
        from libs.models.report.page import write_report

        material = ReportMaterial(
            assignment.market, fitted.package, champion, fitted.holdout, judgement, assignment.funnel
        )
        write_report(folder / REPORT_FILE, material)
    # A model that was trained and judged is worth more than its picture: at night the week goes on without it, and says
    # so wherever the report would have been found.
    except Exception as error:
        log.exception("report of market %s", assignment.market.name)
        (folder / REPORT_FILE).unlink(missing_ok=True)
        return f"{type(error).__name__}: {error}"[:_LONGEST_FAULT]
    return ""


def _losses(champion: Rival) -> pl.Series:
    """The champion's losses beside the challenger's; null on the lines that it has seen."""
    losses = np.full(len(champion.unseen), np.nan)
    if champion.evaluation is not None:
        losses[champion.unseen] = champion.evaluation.losses
    return pl.Series(losses).fill_nan(None)


def _metrics(champion: Rival | None) -> dict[str, Any] | None:
    return asdict(champion.evaluation.overall) if champion and champion.evaluation else None


def read_result(folder: Path) -> Trained | Untrained:
    """Read what `train_market` left in a market's folder."""
    values = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    if "reason" in values:
        return Untrained(folder.name, values["reason"])
    champion = values["champion_metrics"]
    return Trained(
        market=folder.name,
        folder=folder,
        metrics=Metrics(**values["metrics"]),
        slices={name: Metrics(**metrics) for name, metrics in values["slices"].items()},
        champion_metrics=Metrics(**champion) if champion else None,
        champion_version=values["champion_version"],
        judgement=judgement_from(values["judgement"]),
        shifts=values["shifts"],
        report_fault=values["report_fault"],
    )
