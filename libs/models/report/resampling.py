"""How sure a number is: the bootstrap over customers.

Lines of one customer resemble each other, so whole customers are drawn, not lines (cluster bootstrap: Davison and
Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). Each customer gets a Poisson(1) weight per
replicate, which is drawing with replacement for many customers. A statistic that is a function of sums over lines then
needs one product of matrices for all replicates: that is what makes hundreds of intervals affordable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]

# A 95 % interval from 400 replicates moves by about a tenth of its length between seeds: enough to read.
_REPLICATES = 400
# Customers beyond so many are drawn in random groups of about equal size, which estimate the same variance to 3 %
# (random groups: Wolter, "Introduction to Variance Estimation", 2007, chapter 2) and keep the cost of large markets.
_GROUPS = 2_000
_SEED = 20260706
# With fewer customers than this, what was drawn says more about the draw than about customers.
_MIN_CUSTOMERS = 20
# A rare class may be missing from a replicate; when it often is, there is no interval.
_MIN_FINITE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % interval; null where it cannot be measured, or not with any certainty."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Statistic:
    """Something measured on lines, as a function of sums over them.

    Shape: `terms` (n, k), sparse or not; `of_sums` maps (..., k) to (..., v). `value` (v,) is the number itself, where
    the sums only approximate it; what the sums give for all lines otherwise.
    """

    terms: sp.csr_matrix
    of_sums: Callable[[Floats], Floats]
    value: Floats | None = None


class Resampling:
    """Replicates of one set of lines; every statistic is asked of the same ones, so that differences are paired."""

    def __init__(self, customers: Sequence[str] | npt.NDArray[np.object_]) -> None:
        names, self._customer = np.unique(np.asarray(customers, dtype=str), return_inverse=True)
        rng = np.random.default_rng(_SEED)
        groups = min(len(names), _GROUPS)
        self._group = (rng.permutation(len(names)) % groups)[self._customer]
        self._weights = rng.poisson(1.0, (_REPLICATES, groups)).astype(np.float64)

    def customers(self, rows: npt.NDArray[np.bool_]) -> int:
        """How many customers these lines are of."""
        return len(np.unique(self._customer[rows]))

    def estimates(self, statistic: Statistic, rows: npt.NDArray[np.bool_] | None = None) -> list[Estimate]:
        """One estimate per value of the statistic.

        Args:
            statistic: on the lines that `rows` selects, in their order.
            rows: (n,) which of all lines; all when absent.
        """
        chosen = np.ones(len(self._group), dtype=np.bool_) if rows is None else rows
        group, lines = self._group[chosen], int(chosen.sum())
        members = sp.csr_matrix((np.ones(lines), (group, np.arange(lines))), shape=(self._weights.shape[1], lines))
        by_group = members @ statistic.terms
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = statistic.of_sums(np.asarray(by_group.sum(axis=0), dtype=np.float64).ravel())
            drawn = statistic.of_sums((by_group.T @ self._weights.T).T)
        value = plain if statistic.value is None else statistic.value
        if self.customers(chosen) < _MIN_CUSTOMERS:
            return [_estimate(one, None) for one in value]
        return [_estimate(one, drawn[:, index]) for index, one in enumerate(value)]

    def estimate(self, statistic: Statistic, rows: npt.NDArray[np.bool_] | None = None) -> Estimate:
        """The estimate of a statistic that has one value."""
        return self.estimates(statistic, rows)[0]


def _estimate(value: float, drawn: Floats | None) -> Estimate:
    """Percentiles of the replicates, moved so that their mean is the value: a sum of absolute gaps, as the calibration
    error is, grows by being resampled.
    """
    if not np.isfinite(value):
        return Estimate(None)
    finite = np.array([]) if drawn is None else drawn[np.isfinite(drawn)]
    if len(finite) < _MIN_FINITE * _REPLICATES:
        return Estimate(float(value))
    ends = np.percentile(finite, [2.5, 97.5]) + value - finite.mean()
    # The move must not carry a share out of 0 to 1.
    low, high = np.clip(ends, min(0.0, finite.min()), max(1.0, finite.max()))
    return Estimate(float(value), float(low), float(high))


def difference(one: Statistic, other: Statistic) -> Statistic:
    """`one` less `other`, on the same lines of the same replicates."""
    width = one.terms.shape[1]
    return Statistic(
        sp.hstack([one.terms, other.terms], format="csr"),
        lambda sums: one.of_sums(sums[..., :width]) - other.of_sums(sums[..., width:]),
        None if one.value is None or other.value is None else one.value - other.value,
    )
