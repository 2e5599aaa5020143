"""How sure a measure is: the bootstrap over customers.

Lines of one customer resemble each other, so whole customers are drawn, not lines (cluster bootstrap: Davison and
Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). In each replicate a customer counts a
Poisson(1) number of times, which is drawing with replacement without fixing the total (Hanley and MacGibbon, "Creating
non-parametric bootstrap samples using Poisson frequencies", Computer Methods and Programs in Biomedicine 83, 2006).
All measures are taken on the same replicates, so that the difference of two models is paired.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# How often each of n lines counts in each of b replicates, (n, b).
Weights = npt.NDArray[np.float32]
# What is measured of n lines, by b weightings: one value (b,) or v of them (b, v), NaN where it cannot be measured.
Statistic = Callable[[Weights], Floats]

# The ends of a 95 % interval then move between seeds by about 2 % of its length.
REPLICATES = 1_000
# From 20,000 lines on replicates get fewer, down to 200, so that a large market waits seconds and not minutes; its
# intervals are short, and where exactly they end matters less.
_LINE_WEIGHTS, _FEWEST_REPLICATES = 20_000_000, 200
# Replicates that are measured in one pass: what a core's cache holds for some ten thousand lines.
_AT_ONCE, _WEIGHTS_AT_ONCE = 50, 4_000_000
# With fewer customers the interval says more about the draw than about customers.
MIN_CUSTOMERS = 20
# A rare outcome may be missing from a replicate; where it often is, there is no interval.
_MIN_FINITE = 0.95
_SEED = 20_260_706


@dataclass(frozen=True)
class Interval:
    """Where a measure lies with the asked confidence."""

    low: float
    high: float

    def reaches(self, bound: float) -> bool:
        """Whether the bound is inside, so that it cannot be told on which side of it the measure is."""
        return self.low <= bound <= self.high


def replicates(
    customers: npt.ArrayLike, statistics: Mapping[str, Statistic], most: int = REPLICATES
) -> dict[str, Floats]:
    """Every statistic on the same replicates, (r,) or (r, v) each; many lines make r less than `most`.

    Shape: customers (n,), whose line each is. Empty where there are fewer than 20 customers. The order of the lines
    does not matter; the same customers give the same replicates.
    """
    names, customer = np.unique(np.asarray(customers), return_inverse=True)
    if len(names) < MIN_CUSTOMERS:
        return {name: np.empty(0) for name in statistics}
    drawn: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in _draws(len(names), customer, most):
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def _draws(customers: int, customer: npt.NDArray[np.intp], most: int) -> Iterator[Weights]:
    rng = np.random.default_rng(_SEED)
    lines = max(len(customer), 1)
    left = min(max(_LINE_WEIGHTS // lines, _FEWEST_REPLICATES), most)
    while left > 0:
        width = min(left, max(_WEIGHTS_AT_ONCE // lines, 1), _AT_ONCE)
        # A row per line: taking lines in another order then copies whole rows.
        yield rng.poisson(1.0, (customers, width)).astype(np.float32)[customer]
        left -= width


def interval(value: float | None, drawn: Floats, confidence: float, least: float = -np.inf) -> Interval | None:
    """The percentile interval of the replicates, moved so that their mean is the measured value.

    Source: Davison and Hinkley, section 5.3, for percentiles. They are moved because a sum of absolute gaps, as the
    calibration error is, grows by being resampled: its replicates may all lie above the value. For a mean or an area
    the move is next to nothing.

    Args:
        value: the measure itself; null where it cannot be measured.
        drawn: its replicates, (r,).
        confidence: the share of samples whose interval should cover the truth.
        least: what the measure cannot be below.

    Returns:
        None where there are too few customers, or an outcome is too rare to be in most replicates.
    """
    finite = drawn[np.isfinite(drawn)]
    if value is None or len(drawn) == 0 or len(finite) < _MIN_FINITE * len(drawn):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail]) + value - finite.mean()
    return Interval(max(float(low), least), float(high))
