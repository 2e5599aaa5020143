"""The measures of `evaluation`, for many weightings of the same lines at once: what the bootstrap asks.

With a weight of one for every line each gives what `evaluation` gives; with whole numbers as weights, what it would
give had each line been there that often.
"""

import numpy as np
import numpy.typing as npt

from libs.models.bootstrap import Floats, Statistic, Weights
from libs.models.evaluation import CALIBRATION_BINS
from libs.models.ordinal import Probabilities
from libs.models.outcomes import Codes

Mask = npt.NDArray[np.bool_]


def mean(values: npt.NDArray[np.floating] | Mask, over: Mask | None = None) -> Statistic:
    """The mean of a value, (n,), over some lines."""
    chosen = np.ones(len(values), dtype=np.float32) if over is None else over.astype(np.float32)
    terms = values.astype(np.float32) * chosen

    def statistic(weights: Weights) -> Floats:
        return _ratio(terms @ weights, chosen @ weights)

    return statistic


def area(actual: Mask, score: Floats) -> Statistic:
    """The area under the ROC curve: how often a line with the outcome is scored above one without, ties as half.

    Scores are sorted once; every weighting then is one running sum over the larger class and a look-up of it for each
    line of the smaller.
    """
    if 2 * actual.sum() > len(actual):
        return area(~actual, -score)
    ones, others = np.flatnonzero(actual), np.flatnonzero(~actual)
    others = others[np.argsort(score[others], kind="stable")]
    below, up_to = (np.searchsorted(score[others], score[ones], side) for side in ("left", "right"))

    def statistic(weights: Weights) -> Floats:
        # Sums of whole numbers: float32 is exact up to 16 million lines.
        passed = np.zeros((len(others) + 1, weights.shape[1]), dtype=np.float32)
        np.cumsum(weights[others], axis=0, out=passed[1:])
        mine = weights[ones]
        won = (mine * (passed[below] + passed[up_to])).sum(axis=0, dtype=np.float64) / 2
        return _ratio(won, mine.sum(axis=0, dtype=np.float64) * passed[-1])

    return statistic


def auc_macro(predicted: Probabilities, outcomes: Codes) -> Statistic:
    """The plain mean of the three one-against-rest areas."""
    areas = [area(outcomes == code, predicted[:, code]) for code in range(3)]

    def statistic(weights: Weights) -> Floats:
        return np.asarray(np.mean([one(weights) for one in areas], axis=0))

    return statistic


def calibration_error(predicted: Probabilities, outcomes: Codes) -> Statistic:
    """The expected calibration error. Its bins stay as they are cut on all lines, each of weight one."""
    parts = []
    for code in range(predicted.shape[1]):
        order = np.argsort(predicted[:, code], kind="stable")
        sizes = [len(part) for part in np.array_split(order, min(CALIBRATION_BINS, len(order)))]
        gaps = (predicted[:, code] - (outcomes == code))[order].astype(np.float32)
        parts.append((order, np.cumsum([0, *sizes[:-1]]), gaps[:, None]))

    def statistic(weights: Weights) -> Floats:
        gaps = [np.abs(np.add.reduceat(gap * weights[order], starts)).sum(axis=0) for order, starts, gap in parts]
        return _ratio(np.mean(gaps, axis=0), weights.sum(axis=0))

    return statistic


def less(one: Statistic, other: Statistic) -> Statistic:
    """`one` less `other`, on the same lines."""

    def statistic(weights: Weights) -> Floats:
        return one(weights) - other(weights)

    return statistic


def on(rows: Mask, statistic: Statistic) -> Statistic:
    """A statistic of the lines that `rows`, (n,), selects."""
    chosen = np.flatnonzero(rows)

    def selected(weights: Weights) -> Floats:
        return statistic(weights[chosen])

    return selected


def _ratio(numerator: npt.NDArray[np.floating], denominator: npt.NDArray[np.floating]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(numerator, dtype=np.float64) / denominator
