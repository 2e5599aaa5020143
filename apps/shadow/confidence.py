"""Confidence sequences: intervals that hold at every look, however often the window is looked at."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# The sample size at which the sequence is tightest; wider before and after, valid always.
_TIGHTEST_AT = 1_000


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence sequence after n independent observations."""

    mean: float
    lower: float
    upper: float
    n: int


def confidence_sequence(values: npt.NDArray[np.float64], alpha: float) -> Interval:
    """A two-sided asymptotic confidence sequence for the mean of `values`, (n,), one per independent unit.

    With probability 1 - alpha it covers the mean at all sample sizes at once, so stopping at any look is fair.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
    sequences", Annals of Statistics 52(6), 2024, equation (3), with rho as in their appendix on tuning it.
    """
    n = len(values)
    if n < 2:
        return Interval(float(values.mean()) if n else 0.0, -math.inf, math.inf, n)
    rho_squared = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / _TIGHTEST_AT
    scaled = n * rho_squared + 1
    width = math.sqrt(2 * scaled / (n**2 * rho_squared) * math.log(math.sqrt(scaled) / alpha))
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    return Interval(mean, mean - width * deviation, mean + width * deviation, n)


def per_cluster(values: npt.NDArray[np.float64], clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One value per cluster whose mean is the mean of all values: sums of deviations, for a ratio of sums.

    A customer's requests are not independent of each other; customers are. The linearised ratio estimator
    (Deng, Knoblich, Lu, "Applying the Delta Method in Metric Analytics", KDD 2018) makes customers the unit.
    """
    count = int(clusters.max()) + 1 if len(clusters) else 0
    sums = np.bincount(clusters, weights=values, minlength=count)
    sizes = np.bincount(clusters, minlength=count)
    mean = sums.sum() / sizes.sum()
    return np.asarray(mean + (sums - mean * sizes) / sizes.mean())
