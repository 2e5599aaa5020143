"""Measured values with their intervals, as the page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from libs.models.bootstrap import REPLICATES, Floats, Statistic, Weights, interval, replicates
from libs.models.weighted import Mask

# Curves and slices have hundreds of intervals, which are looked at and not judged by. Their ends move between seeds by
# about a tenth of the interval's length.
TO_LOOK_AT = 400


@dataclass(frozen=True)
class Estimate:
    """A measured value with its interval; null where it cannot be measured, or not with any certainty."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def estimates(
    customers: npt.ArrayLike, statistics: Sequence[Statistic], confidence: float, most: int = REPLICATES
) -> list[list[Estimate]]:
    """The values of each statistic, of at least one line, with their intervals; all from the same replicates.

    Shape: customers (n,), whose line each is. With as many replicates as the standards have, which is the default, a
    number has the interval that it was judged by.
    """
    drawn = replicates(customers, {str(index): one for index, one in enumerate(statistics)}, most)
    found = []
    for index, one in enumerate(statistics):
        measured = values(one, len(np.asarray(customers)))
        columns = drawn[str(index)].reshape(-1, len(measured)).T
        found.append([_estimate(value, column, confidence) for value, column in zip(measured, columns, strict=True)])
    return found


def values(statistic: Statistic, lines: int) -> list[float | None]:
    """The statistic itself: every line counts once. Null where it cannot be measured."""
    found = statistic(np.ones((lines, 1), dtype=np.float32))
    return [float(one) if np.isfinite(one) else None for one in found.ravel()]


def means(value: npt.NDArray[np.floating] | Mask, groups: Mask, over: Mask | None = None) -> Statistic:
    """The mean of a value, (n,), in each of v groups of lines, (v, n); of those lines in it that `over`, (n,), selects.

    As `weighted.mean` of each group, in one product for all of them.
    """
    members = groups.astype(np.float32)
    chosen = np.ones((len(value), 1), dtype=np.float32) if over is None else over[:, None].astype(np.float32)
    terms = value[:, None].astype(np.float32) * chosen

    def statistic(weights: Weights) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return ((members @ (weights * terms)) / (members @ (weights * chosen))).T.astype(np.float64)

    return statistic


def _estimate(measured: float | None, drawn: Floats, confidence: float) -> Estimate:
    # Centring an interval on its value must not carry a share out of 0 to 1; a difference may well be beyond.
    least, greatest = np.nanmin(drawn, initial=0.0), np.nanmax(drawn, initial=1.0)
    reach = interval(measured, drawn, confidence, float(least))
    return Estimate(measured, reach.low, min(reach.high, float(greatest))) if reach else Estimate(measured)
