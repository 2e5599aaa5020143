"""The A/A noise floor: what two halves of the customers differ by when nothing differs but the customers.

Every second customer, in the order in which they came, is in one half; a pseudonym is a hash, so that this is chance. A
difference between champion and challenger that is no larger than the floor is not evidence, whatever an interval says.
"""

import numpy as np

from apps.shadow.streams import Stream
from libs.features.arrays import Floats


def latency_floor(champion: Stream, looks: Floats) -> Floats:
    """By how much, as a ratio less 1, the champion's mean seconds differ between the halves, (l,); NaN when unknown."""
    one, other = _halves(champion, looks)
    return np.asarray(np.maximum(one, other) / np.minimum(one, other) - 1)


def quality_floor(gain: Stream, looks: Floats) -> Floats:
    """Half of what the gain of log loss differs by between the halves, (l,); NaN when unknown.

    The champion's own losses differ mostly by whose lines they are, which pairing takes out; so halves of the paired
    differences are compared. A mean gain is above this floor when both halves show a gain.
    """
    one, other = _halves(gain, looks)
    return np.asarray(np.abs(one - other) / 2)


def _halves(stream: Stream, looks: Floats) -> list[Floats]:
    found = []
    for half in (0, 1):
        inside = stream.customers % 2 == half
        count, total = stream.total(inside, looks), stream.total(np.where(inside, stream.values, 0.0), looks)
        found.append(np.divide(total, count, out=np.full(len(looks), np.nan), where=count > 0))
    return found
