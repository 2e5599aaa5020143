"""How many more hours until a part of the verdict can be told: by the width's law, if what is seen now goes on."""

import math

import numpy as np

from apps.shadow.confidence import FEWEST, Interval, evidence, width_of_mean
from libs.features.arrays import Flags, Floats

# From what there is to a hundred times it, in steps of 5 %.
_GROWTH = np.asarray(1.05 ** np.arange(95), dtype=np.float64)


def hours_for_mean(interval: Interval, margin: float, alpha: float) -> float:
    """Hours until the sequence of a mean lies on one side of `margin`; infinite when that is not in sight."""
    customers = np.maximum(interval.n, FEWEST) * _GROWTH
    told = width_of_mean(customers, alpha) * interval.deviation < abs(interval.mean - margin)
    return _hours(interval, customers, told)


def hours_for_share(interval: Interval, margin: float, alpha: float) -> float:
    """The same of the sequence of a share."""
    customers = max(interval.n, 1) * _GROWTH
    told = evidence(interval.mean * customers, customers, margin, margin) >= -math.log(alpha)
    return _hours(interval, customers, told)


def _hours(interval: Interval, customers: Floats, told: Flags) -> float:
    if not interval.n or not told.any() or interval.per_hour <= 0:
        return math.inf
    return float((customers[told.argmax()] - interval.n) / interval.per_hour)


def in_words(hours: float, left: float, max_hours: float) -> str:
    """What a person is told who asks how long to wait."""
    if hours > left:
        return f"will not be settled within {max_hours:g} h"
    return f"about {max(1, math.ceil(hours))} h more"
