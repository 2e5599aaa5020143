"""One market trained into a folder, and what can be read of it there.

The result is written last, so a folder that has one is done, and whoever trains the market again has nothing to do.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from libs.base.errors import FitwaveError
from libs.features.assembly import Requests
from libs.features.frames import requests_from_training
from libs.models.assignment import RESULT_FILE, Assignment
from libs.models.checkpoint import Checkpoint
from libs.models.distributions import Distributions
from libs.models.evaluation import Metrics
from libs.models.package import OtherFormatError, load, save
from libs.models.report.material import Champion, ReportMaterial
from libs.models.rival import Rival
from libs.models.standards import Judgement, judge, judgement_from
from libs.models.training import Fit, Fitted, fit_alone, fit_market

log = logging.getLogger(__name__)

QUALITY_FILE = "quality.parquet"

# Lines of the holdout whose inputs and answers are kept as distributions: as good as all of them, and bounded.
_MOST_DISTRIBUTED = 20_000
# Lines of the holdout that the report measures all its curves and slices on: a large market waits seconds for it.
_MOST_REPORTED = 20_000
# Why a report was not drawn becomes a tag of the version, which MLflow limits; the log has all of it.
_LONGEST_FAULT = 500


@dataclass(frozen=True)
class Trained:
    """One market's result: the package's folder, what was measured, and what the standards say.

    `shifts` says how far inputs and answers of the champion have moved since it was trained, `report_fault` why there
    is no `report`; empty when there is one.
    """

    market: str
    folder: Path
    metrics: Metrics
    slices: dict[str, Metrics]
    champion_metrics: Metrics | None
    champion_version: str | None
    judgement: Judgement
    shifts: Mapping[str, float]
    report: Path | None = None
    report_fault: str = ""


@dataclass(frozen=True)
class Untrained:
    """A market whose training failed, and why."""

    market: str
    reason: str


def train_market(assignment: Assignment, threads: int, every_s: float, fit: Fit | None = None) -> None:
    """Train one market into its folder; data that cannot be trained on are written there as the result.

    `fit` is an engine of its own; without one, the booster is fitted here and kept every `every_s` seconds.
    """
    if assignment.done:
        return
    shutil.rmtree(assignment.folder, ignore_errors=True)
    assignment.folder.mkdir(parents=True)
    checkpoint = Checkpoint(assignment.checkpoint, every_s)
    try:
        champion = _champion(assignment)
        fit = fit or partial(fit_alone, checkpoint=checkpoint)
        package = champion.package if champion else None
        fitted = fit_market(assignment.market, assignment.training_path, package, threads, fit)
        _write(assignment, fitted, champion)
    except FitwaveError as error:
        refuse(assignment, str(error))
    checkpoint.clear()


def refuse(assignment: Assignment, reason: str) -> None:
    """Write that the market was not trained, and why."""
    assignment.folder.mkdir(parents=True, exist_ok=True)
    _write_result(assignment.folder, {"reason": reason})


def _write_result(folder: Path, result: Mapping[str, Any]) -> None:
    draft = folder / f"{RESULT_FILE}.draft"
    draft.write_text(json.dumps(result, indent=1), encoding="utf-8")
    draft.replace(folder / RESULT_FILE)


def _champion(assignment: Assignment) -> Champion | None:
    """The live model to compare with. One of another release cannot be asked: the week goes on without it."""
    ref = assignment.champion
    if ref is None:
        return None
    try:
        return Champion(ref.version, load(Path(ref.path), ref.sha256))
    except OtherFormatError as error:
        log.warning("market %s: champion v%s is not compared with: %s", assignment.market.name, ref.version, error)
        return None


def _write(assignment: Assignment, fitted: Fitted, champion: Champion | None) -> None:
    folder = assignment.folder
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
    fault = _write_report(assignment, fitted, champion, judgement)
    result = {
        "metrics": asdict(fitted.evaluation.overall),
        "slices": {name: asdict(metrics) for name, metrics in fitted.evaluation.slices.items()},
        "champion_metrics": _metrics(fitted.champion),
        "champion_version": champion.version if champion else None,
        "judgement": asdict(judgement),
        "shifts": _shifts(assignment, champion, requests),
        "report_fault": fault,
    }
    _write_result(folder, result)


def _shifts(assignment: Assignment, champion: Champion | None, requests: Requests) -> dict[str, float]:
    if champion is None or assignment.champion is None:
        return {}
    trained_on = Distributions.load(Path(assignment.champion.path))
    return trained_on.shifts(trained_on.count(champion.package, requests)) if trained_on else {}


def _write_report(assignment: Assignment, fitted: Fitted, champion: Champion | None, judgement: Judgement) -> str:
    """Write the market's report; why that failed comes back, for the version's tags and the week's table."""
    path = assignment.report
    path.parent.mkdir(exist_ok=True)
    try:
        # Only a rank draws; the driver, which imports this module too, has no use for a plot library.
        from libs.models.report.page import write_report

        material = ReportMaterial(
            market=assignment.market,
            package=fitted.package,
            champion=champion,
            holdout=fitted.holdout,
            lines=fitted.evaluation.lines,
            rival=fitted.champion,
            judgement=judgement,
            funnel=assignment.funnel,
        )
        write_report(path, material.thinned(_MOST_REPORTED))
    # A model that was trained and judged is worth more than its picture: at night the week goes on without it, and says
    # so wherever the report would have been found.
    except Exception as error:
        log.exception("report of market %s", assignment.market.name)
        path.unlink(missing_ok=True)
        return f"{type(error).__name__}: {error}"[:_LONGEST_FAULT]
    return ""


def _losses(champion: Rival) -> pl.Series:
    """The champion's losses beside the challenger's; null on the lines that it has seen."""
    losses = np.full(len(champion.unseen), np.nan)
    losses[champion.unseen] = champion.lines.losses
    return pl.Series(losses).fill_nan(None)


def _metrics(champion: Rival | None) -> dict[str, Any] | None:
    metrics = champion.metrics if champion else None
    return asdict(metrics) if metrics else None


def read_result(assignment: Assignment) -> Trained | Untrained:
    """Read what `train_market` left in a market's folder."""
    market, folder = assignment.market.name, assignment.folder
    values = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    if "reason" in values:
        return Untrained(market, values["reason"])
    champion = values["champion_metrics"]
    return Trained(
        market=market,
        folder=folder,
        metrics=Metrics(**values["metrics"]),
        slices={name: Metrics(**metrics) for name, metrics in values["slices"].items()},
        champion_metrics=Metrics(**champion) if champion else None,
        champion_version=values["champion_version"],
        judgement=judgement_from(values["judgement"]),
        shifts=values["shifts"],
        report=None if values["report_fault"] else assignment.report,
        report_fault=values["report_fault"],
    )
