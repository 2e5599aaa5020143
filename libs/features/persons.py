"""Who an account buys for: one person, or two of clearly different sizes.

The mean of what a mother and a daughter keep is a size that neither wears. Where the sizes an account kept fall into
two groups, each group is a person with a history of its own; the model is asked about each, and the answers are mixed
by how much each buys.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from libs.features.arrays import Floats, Indices

if TYPE_CHECKING:
    from libs.features.assembly import Requests

# Two groups are two people when their means lie more than this many of the article's size steps apart, each was kept
# at least so often (one odd purchase is a present), and they are clearly two: their distance over their spread, which
# is Ashman's D (Ashman, Bird and Zepf, "Detecting bimodality in astronomical datasets", 1994), is more than this. A
# uniform spread of sizes cut in its middle has a D of 3.5, and is one undecided person.
_STEPS_APART = 2.0
_MIN_KEPT = 2.0
_CLEARLY = 4.0


@dataclass(frozen=True)
class Persons:
    """p >= n people behind n questions, those of one question next to each other, the smaller one first.

    `question`, `weight` and the statistics in `values` are (p,), the weights of a question's people add up to 1;
    `border` is (n,), the position between its two people, NaN where there is one; `first` is (n,), the index of a
    question's first person.
    """

    question: Indices
    first: Indices
    weight: Floats
    border: Floats
    values: dict[str, Floats]


def persons_of(requests: "Requests") -> Persons:
    """Split the history of each question's account into its people."""
    n = len(requests.offsets) - 1
    history = requests.history
    owner = np.repeat(np.arange(n), np.diff(requests.history_offsets))
    border = _borders(history["position"], history["kept"], owner, requests.values["size_step"])
    several = ~np.isnan(border)
    first = np.arange(n) + np.cumsum(several) - several
    question = np.repeat(np.arange(n), 1 + several)
    person = first[owner] + (history["position"] > np.where(several, border, np.inf)[owner])
    values = _statistics(history, person, len(question))
    total = np.bincount(question, values["kept_n"], minlength=n)[question]
    weight = np.divide(values["kept_n"], total, out=np.ones(len(question)), where=several[question])
    weight = _of_chosen(requests, question, first, border, weight)
    return Persons(question, first, weight, border, values)


def _of_chosen(requests: "Requests", question: Indices, first: Indices, border: Floats, weight: Floats) -> Floats:
    """Who has chosen a size is known: the person whose sizes it is nearer to."""
    known = requests.chosen >= 0
    position = requests.size_values["positions"][requests.offsets[:-1] + np.maximum(requests.chosen, 0)]
    buyer = first + (position > np.where(np.isnan(border), np.inf, border))
    return np.where(known[question], np.arange(len(question)) == buyer[question], weight).astype(np.float64)


def account_statistics(requests: "Requests") -> dict[str, Floats]:
    """The statistics of each question's whole account, (n,), whoever in it they are of."""
    n = len(requests.offsets) - 1
    return _statistics(requests.history, np.repeat(np.arange(n), np.diff(requests.history_offsets)), n)


def _borders(position: Floats, kept: Floats, owner: Indices, step: Floats) -> Floats:
    """Per question the border between its two people, NaN where there is one; (n,).

    Of all ways to part the kept sizes in two, the one with the least squares within the parts is tried.
    """
    border = np.full(len(step), np.nan)
    worn = kept > 0
    position, kept, owner = position[worn], kept[worn], owner[worn]
    below, above = _parts(position, kept, owner)
    apart = above.mean - below.mean
    clear = apart**2 > _CLEARLY**2 / 2 * (below.variance + above.variance)
    often = (below.count >= _MIN_KEPT) & (above.count >= _MIN_KEPT)
    two = (owner[1:] == owner[:-1]) & clear & often & (apart > _STEPS_APART * step[owner[:-1]])
    # Least within the parts is most between them. Written least first, so that the best of a question stays.
    between = below.count * above.count / (below.count + above.count) * apart**2
    parting = np.flatnonzero(two)
    parting = parting[np.argsort(between[parting], kind="stable")]
    border[owner[parting]] = (position[parting] + position[parting + 1]) / 2
    return border


@dataclass(frozen=True)
class _Part:
    """The purchases on one side of each place where entries could be parted."""

    count: Floats
    mean: Floats
    variance: Floats


def _parts(position: Floats, kept: Floats, owner: Indices) -> tuple[_Part, _Part]:
    """What lies below and above each place between two of k entries, within their owner; (k - 1,) each."""
    sums = np.stack([kept, kept * position, kept * position * position])
    so_far = np.concatenate([np.zeros((3, 1)), np.cumsum(sums, axis=1)], axis=1)
    begin, end = np.searchsorted(owner, owner), np.searchsorted(owner, owner, side="right")
    here = so_far[:, 1:]
    return _part((here - so_far[:, begin])[:, :-1]), _part((so_far[:, end] - here)[:, :-1])


def _part(sums: Floats) -> _Part:
    count, total, squares = sums
    # Between two owners one side may be empty; that place parts nobody.
    mean, square = (np.divide(one, count, out=np.zeros_like(one), where=count > 0) for one in (total, squares))
    return _Part(count, mean, np.maximum(square - mean * mean, 0.0))


def _statistics(history: dict[str, Floats], group: Indices, groups: int) -> dict[str, Floats]:
    """Add up history entries by group, (groups,) each."""
    position, kept = history["position"], history["kept"]
    parts = {
        "kept_n": kept,
        "kept_sum": kept * position,
        "kept_sum_of_squares": kept * position * position,
        "small_n": history["small"],
        "small_sum": history["small"] * position,
        "large_n": history["large"],
        "large_sum": history["large"] * position,
        "brand_kept_n": kept * history["same_brand"],
        "brand_kept_sum": kept * history["same_brand"] * position,
    }
    return {name: np.bincount(group, values, minlength=groups).astype(np.float64) for name, values in parts.items()}
