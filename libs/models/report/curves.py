"""The curves and tables of the report as arrays, small enough to draw."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from libs.models.report.answers import Answers, Floats, Mask
from libs.models.report.measures import equal_mass, ratio
from libs.models.report.resampling import Estimate, Resampling

Counts = npt.NDArray[np.int64]

_RELIABILITY_BINS = 10
_ROC_POINTS = 120
_COVERAGE_POINTS = 25


@dataclass(frozen=True)
class Roc:
    """A ROC curve: shares of false alarms and of finds, both rising."""

    false_alarms: Floats
    found: Floats


def roc(actual: Mask, score: Floats) -> Roc | None:
    """The curve at evenly spread points; none where a class is absent."""
    if actual.all() or not actual.any():
        return None
    false_alarms, found, _ = roc_curve(actual, score)
    # Along the curve, not along one axis: its steep part would get no points otherwise.
    along = np.concatenate([[0.0], np.cumsum(np.diff(false_alarms) + np.diff(found))])
    at = np.linspace(0, along[-1], _ROC_POINTS)
    return Roc(np.interp(at, along, false_alarms), np.interp(at, along, found))


@dataclass(frozen=True)
class ReliabilityBin:
    """Lines with similar forecasts: how many, what was forecast, and how often it happened."""

    lines: int
    forecast: float
    observed: Estimate


def reliability(forecast: Floats, actual: Mask, resampling: Resampling) -> list[ReliabilityBin]:
    """The reliability curve of one class, over bins of equal mass."""
    bins = min(_RELIABILITY_BINS, len(forecast))
    members = equal_mass(forecast, bins)[:, None] == np.arange(bins)
    observed = resampling.estimates(ratio(members * actual[:, None], members))
    return [
        ReliabilityBin(int(rows.sum()), float(forecast[rows].mean()), estimate)
        for rows, estimate in zip(members.T, observed, strict=True)
    ]


@dataclass(frozen=True)
class CoveragePoint:
    """At one confidence threshold: what share is answered, and how often the answer is the size that was kept."""

    threshold: float
    coverage: float
    precision: Estimate


def precision_coverage(answers: Answers, resampling: Resampling) -> list[CoveragePoint]:
    """From answering few, the surest, to answering all."""
    shares = np.linspace(1 / _COVERAGE_POINTS, 1, _COVERAGE_POINTS)
    thresholds = np.quantile(answers.confidence, 1 - shares)
    return [
        CoveragePoint(float(one), float(np.mean(answers.confidence >= one)), precision)
        for one, precision in zip(thresholds, _precision(answers, thresholds, resampling), strict=True)
    ]


def operating_point(answers: Answers, threshold: float, resampling: Resampling) -> CoveragePoint:
    """The point at which the market answers."""
    [precision] = _precision(answers, np.array([threshold]), resampling)
    return CoveragePoint(threshold, float(np.mean(answers.confidence >= threshold)), precision)


def _precision(answers: Answers, thresholds: Floats, resampling: Resampling) -> list[Estimate]:
    judged = (answers.confidence[:, None] >= thresholds) & answers.kept[:, None]
    return resampling.estimates(ratio(judged & answers.hit[:, None], judged))


def confusion(answers: Answers) -> Counts:
    """Outcomes (rows) against the most likely outcome of the size that was bought (columns), (3, 3)."""
    return _cross(answers.outcomes, answers.bought.argmax(axis=1))


def advice(answers: Answers) -> Counts:
    """Outcomes (rows) against the size the model names: smaller, the same, or larger than bought (columns), (3, 3)."""
    return _cross(answers.outcomes, np.sign(answers.steps) + 1)


def _cross(rows: npt.NDArray[np.signedinteger], columns: npt.NDArray[np.signedinteger]) -> Counts:
    return np.bincount(rows.astype(np.int64) * 3 + columns, minlength=9).reshape(3, 3)


def histogram(forecast: Floats, bins: int) -> Counts:
    """How many forecasts fall into each of `bins` equal parts of 0 to 1."""
    edges = np.linspace(0, 1, bins + 1)
    return np.array([np.sum((forecast >= a) & (forecast < b if b < 1 else forecast <= b)) for a, b in pairwise(edges)])
