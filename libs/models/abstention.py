"""From which confidence on an answer is given: chosen for a wanted precision, with the coverage it costs.

The confidence of an answer is P(fit) of the size it names. Its precision is measured where it can be seen: among the
purchases of exactly the size that would have been named, the share that was kept. What would have come of the size
named where another was bought is not known; who bought the named size on their own may have known it to fit, so the
precision of customers who follow an answer can be lower. It is a comparison between thresholds before it is a promise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Points of the curve: thresholds at equal steps of coverage.
_POINTS = 41
# A precision of fewer purchases than this is an anecdote.
_MIN_PURCHASES = 100
# One-sided: the precision is at least the bound with this confidence.
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Point:
    """What a threshold gives: the share of questions answered, and among the purchases of the named size the share
    kept, with its lower bound.
    """

    threshold: float
    coverage: float
    purchases: int
    precision: float | None
    precision_low: float | None


@dataclass(frozen=True)
class Abstention:
    """The threshold of a version, and the whole curve it was chosen from, from the lowest threshold up.

    `reached` is false where no threshold has the wanted precision: the market's floor stands then.
    """

    threshold: float
    wanted_precision: float | None
    reached: bool
    curve: tuple[Point, ...]

    @property
    def point(self) -> Point | None:
        """The point of the curve that was chosen, the last one at or below the threshold; null without a curve."""
        chosen = [point for point in self.curve if point.threshold <= self.threshold]
        return chosen[-1] if chosen else None


def choose_threshold(
    confidence: Floats, named_was_bought: Mask, kept: Mask, floor: float, wanted_precision: float | None
) -> Abstention:
    """The lowest threshold, not below the floor, from which on the precision is surely what is wanted.

    Args:
        confidence, named_was_bought, kept: of n purchases that the model has not been fitted on, (n,).
    """
    thresholds = np.unique(np.concatenate([[floor], np.quantile(confidence, np.linspace(0, 1, _POINTS))]))
    curve = tuple(_point(threshold, confidence, named_was_bought, kept) for threshold in thresholds)
    if wanted_precision is None:
        return Abstention(floor, None, True, curve)
    good = [
        point.threshold
        for point in curve
        if point.threshold >= floor and point.precision_low is not None and point.precision_low >= wanted_precision
    ]
    return Abstention(min(good, default=floor), wanted_precision, bool(good), curve)


def _point(threshold: float, confidence: Floats, named_was_bought: Mask, kept: Mask) -> Point:
    answered = confidence >= threshold
    bought = answered & named_was_bought
    purchases, good = int(bought.sum()), int((bought & kept).sum())
    enough = purchases >= _MIN_PURCHASES
    return Point(
        threshold=float(threshold),
        coverage=float(answered.mean()),
        purchases=purchases,
        precision=good / purchases if enough else None,
        precision_low=lower_bound(good, purchases) if enough else None,
    )


def lower_bound(good: int, tries: int) -> float:
    """Wilson's lower bound of a share: E. B. Wilson, "Probable Inference", JASA 22 (1927)."""
    z = float(norm.ppf(_CONFIDENCE))
    share = good / tries
    centre = share + z * z / (2 * tries)
    margin = z * float(np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries)))
    return (centre - margin) / (1 + z * z / tries)
