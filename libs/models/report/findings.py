"""Everything the report says, measured once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from libs.features.frames import requests_from_training
from libs.features.outcomes import OUTCOMES
from libs.models.evaluation import slice_masks
from libs.models.lines import Lines
from libs.models.report.beside import Beside, beside
from libs.models.report.curves import (
    Counts,
    CoveragePoint,
    ReliabilityBin,
    Roc,
    advice,
    confusion,
    coverage_points,
    histogram,
    precision_coverage,
    reliability,
    roc,
)
from libs.models.report.estimates import Estimate, estimates
from libs.models.report.importance import Importance, importance
from libs.models.report.material import ReportMaterial
from libs.models.report.measures import MEASURES, Measure, fit_gap
from libs.models.report.slices import SliceResult, measure, slices

_HISTOGRAM_BINS = 25


@dataclass(frozen=True)
class Measured:
    """One measure of this version on the whole holdout."""

    measure: Measure
    value: Estimate


@dataclass(frozen=True)
class OutcomeCurves:
    """The curves of one outcome, of this version and of the champion."""

    outcome: str
    roc: Roc | None
    champion_roc: Roc | None
    bins: list[ReliabilityBin]
    champion_bins: list[ReliabilityBin] | None
    masses: Sequence[int]


@dataclass(frozen=True)
class Findings:
    """What the page shows. The champion is in the curves only where it has seen no line of the holdout.

    `no_skill_log_loss` is that of always forecasting the holdout's own shares of outcomes; `chance` the share of kept
    lines that a size named at random would hit.
    """

    lines: int
    customers: int
    articles: int
    outcome_shares: dict[str, float]
    measured: list[Measured]
    beside: Beside | None
    curves: list[OutcomeCurves]
    coverage: list[CoveragePoint]
    champion_coverage: list[CoveragePoint] | None
    here: CoveragePoint
    no_skill_log_loss: float
    chance: float
    fit_gap: Estimate
    confusion: Counts
    advice: Counts
    slices: list[SliceResult]
    importance: Importance


def find(material: ReportMaterial) -> Findings:
    """Measure this version on its holdout, beside the champion where neither has seen it."""
    rows, confidence = material.holdout, material.market.standards.confidence
    lines = material.lines
    other = beside(material.rival, lines, confidence) if material.rival else None
    drawn = other.shared.champion if other and other.shared and other.whole else None
    *values, [gap] = estimates(lines.customers, [*(one.of(lines) for one in MEASURES), fit_gap(lines)], confidence)
    shares = np.bincount(lines.outcomes, minlength=3) / len(rows)
    sizes = rows["positions"].list.len().to_numpy()
    [here] = coverage_points(lines, np.array([material.package.card.abstention.threshold]), confidence)
    named = slice_masks(rows, requests_from_training(rows))
    return Findings(
        lines=len(rows),
        customers=rows["customer_id"].n_unique(),
        articles=rows["article_id"].n_unique(),
        outcome_shares=dict(zip(OUTCOMES, shares.tolist(), strict=True)),
        measured=[Measured(one, found) for one, [found] in zip(MEASURES, values, strict=True)],
        beside=other,
        curves=[_curves(code, lines, drawn, confidence) for code in range(len(OUTCOMES))],
        coverage=precision_coverage(lines, confidence),
        champion_coverage=precision_coverage(drawn, confidence) if drawn else None,
        here=here,
        no_skill_log_loss=float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0]))),
        chance=float(np.mean(1 / sizes[lines.kept])) if lines.kept.any() else 0.0,
        fit_gap=gap,
        confusion=confusion(lines),
        advice=advice(lines),
        slices=measure(slices(rows, named), lines, other, confidence),
        importance=importance(material.package, rows),
    )


def _curves(code: int, mine: Lines, champion: Lines | None, confidence: float) -> OutcomeCurves:
    forecast, actual = mine.predicted[:, code], mine.outcomes == code
    return OutcomeCurves(
        outcome=OUTCOMES[code],
        roc=roc(actual, forecast),
        champion_roc=roc(actual, champion.predicted[:, code]) if champion else None,
        bins=reliability(mine, code, confidence),
        champion_bins=reliability(champion, code, confidence) if champion else None,
        masses=histogram(forecast, _HISTOGRAM_BINS).tolist(),
    )
