"""The curves and tables of the report as arrays, small enough to draw."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from libs.models.bootstrap import Floats
from libs.models.lines import Lines
from libs.models.report.estimates import TO_LOOK_AT, Estimate, estimates, means
from libs.models.weighted import Mask

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


def reliability(lines: Lines, code: int, confidence: float) -> list[ReliabilityBin]:
    """The reliability curve of one outcome, over bins of equal mass, from the lowest forecast up."""
    forecast, actual = lines.predicted[:, code], lines.outcomes == code
    bins = np.array_split(np.argsort(forecast, kind="stable"), min(_RELIABILITY_BINS, len(lines)))
    members = np.array([np.isin(np.arange(len(lines)), rows) for rows in bins])
    [observed] = estimates(lines.customers, [means(actual, members)], confidence, TO_LOOK_AT)
    return [
        ReliabilityBin(len(rows), float(forecast[rows].mean()), estimate)
        for rows, estimate in zip(bins, observed, strict=True)
    ]


@dataclass(frozen=True)
class CoveragePoint:
    """At one confidence threshold: the share of lines that is answered, and how good these answers are.

    `precision` is the share kept of the purchases of the very size that is named, as in `abstention`; `right` how often
    the size that was kept is the one that is named.
    """

    threshold: float
    coverage: float
    precision: Estimate
    right: Estimate


def precision_coverage(lines: Lines, confidence: float) -> list[CoveragePoint]:
    """From answering few, the surest, to answering all."""
    shares = np.linspace(1 / _COVERAGE_POINTS, 1, _COVERAGE_POINTS)
    return coverage_points(lines, np.quantile(lines.confidence, 1 - shares), confidence)


def coverage_points(lines: Lines, thresholds: Floats, confidence: float) -> list[CoveragePoint]:
    """The points at these thresholds, (v,)."""
    answered = lines.confidence >= thresholds[:, None]
    asked = [means(lines.kept, answered, lines.hit), means(lines.hit, answered, lines.kept)]
    precision, right = estimates(lines.customers, asked, confidence, TO_LOOK_AT)
    shares = answered.mean(axis=1)
    return [CoveragePoint(*point) for point in zip(thresholds.tolist(), shares.tolist(), precision, right, strict=True)]


def confusion(lines: Lines) -> Counts:
    """Outcomes (rows) against the most likely outcome of the size that was bought (columns), (3, 3)."""
    return _cross(lines.outcomes, lines.predicted.argmax(axis=1))


def advice(lines: Lines) -> Counts:
    """Outcomes (rows) against the size the model names: smaller, the same, or larger than bought (columns), (3, 3)."""
    return _cross(lines.outcomes, np.sign(lines.steps) + 1)


def _cross(rows: npt.NDArray[np.signedinteger], columns: npt.NDArray[np.signedinteger]) -> Counts:
    return np.bincount(rows.astype(np.int64) * 3 + columns, minlength=9).reshape(3, 3)


def histogram(forecast: Floats, bins: int) -> Counts:
    """How many forecasts fall into each of `bins` equal parts of 0 to 1."""
    edges = np.linspace(0, 1, bins + 1)
    return np.array([np.sum((forecast >= a) & (forecast < b if b < 1 else forecast <= b)) for a, b in pairwise(edges)])
