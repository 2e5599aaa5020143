"""How far the shares of a distribution have moved: the population stability index."""

import numpy as np
import numpy.typing as npt

# A bin that was empty counts as holding so much: the index would be infinite otherwise.
_LEAST_SHARE = 1e-4


def stability_index(expected: npt.ArrayLike, found: npt.ArrayLike) -> float:
    """Sum of (found - expected) * ln(found / expected) over bins; 0 is alike, and 0.25 is taken for a shift.

    Both are counts over the same bins, (b,), each with something in it. Lin, Naeem: "Population stability index", in
    Siddiqi, "Credit risk scorecards", 2006.
    """
    first, second = (np.asarray(counts, dtype=np.float64) for counts in (expected, found))
    shares = [np.maximum(counts / counts.sum(), _LEAST_SHARE) for counts in (first, second)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
