"""From features to the model's input: one code for training, evaluation, bulk scoring and the live request.

The model sees each candidate size of an article as one row for each person that the account buys for. Columns that
depend on the candidate size never fall as the size grows (`MONOTONE`), which is what lets the model promise that
P(small) never rises and P(large) never falls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from libs.features.arrays import Floats, Indices
from libs.features.columns import CUSTOMER_BODY, LEVELS
from libs.features.persons import Persons, persons_of

Matrix = npt.NDArray[np.float32]

# Pseudo-observations of a level's prior, the next wider level. About the count at which an article's own rate beats
# its category's on the generated data; the model weighs the evidence again through the counts.
_PRIOR_N = 10.0
_GAP_PRIOR_N = 5.0
_SIZE_PRIOR_N = 4.0
# What the body suggests counts as much as this many kept purchases.
_BODY_N = 2.0
# One in eight on either side is the order of magnitude of published fit data; it only matters in an empty market.
_MISFIT_RATE = 0.125

NOT_CHOSEN = -1

# Each is the candidate's position less one of the references of its person and article.
_GAPS = {
    "gap_kept": "usual",
    "gap_brand": "usual_in_brand",
    "gap_small": "mean_small",
    "gap_large": "mean_large",
    "gap_body": "body_position",
    "gap_expected": "expected",
    "gap_expected_here": "expected_here",
    "gap_small_here": "small_here",
    "gap_large_here": "large_here",
    "gap_article_kept": "article_kept",
}
MONOTONE = ("position", "size_rank", *_GAPS, "size_not_small", "size_large")
# The same of the size that the customer has chosen, where that is known.
CHOSEN = (
    "chosen_position",
    "chosen_rank",
    *(f"chosen_{gap}" for gap in _GAPS),
    "chosen_small_rate",
    "chosen_large_rate",
    "chosen_lines",
    "chosen_gap_like_small",
    "chosen_gap_like_large",
    "chosen_position_like_small",
    "chosen_position_like_large",
)
FREE = (
    *CHOSEN,
    "expected",
    "kept_n",
    "kept_spread",
    "small_n",
    "large_n",
    "brand_kept_n",
    *CUSTOMER_BODY,
    "article_n",
    *(f"{level}_{side}_rate" for level in LEVELS[:3] for side in ("small", "large")),
    *(f"{outcome}_offset" for outcome in ("kept", "small", "large")),
    "size_step",
    "scale",
)
FEATURES = MONOTONE + FREE


@dataclass(frozen=True)
class Requests:
    """n questions, each with its candidate sizes and its customer's history, as columns.

    A question may say which size the customer has chosen. That is evidence of its own: who takes a size larger than
    usual has a reason to. What is learned from it is a matter of the question and the same for all candidates, so the
    probabilities stay monotone in the candidate size, whatever was chosen.

    `values` holds body, `body_position`, article statistics, size range and `scale`, each (n,); `size_values` holds
    `positions` and the size statistics, each (m,) over all candidates, question i owns `offsets[i]:offsets[i + 1]`;
    `history` holds position, kept, small, large and same_brand (0 or 1) of the customer's entries on the article's
    scale, each (k,), sorted by position within a question, which owns `history_offsets[i]:history_offsets[i + 1]`;
    `chosen` is (n,), which of its own candidates a question has chosen, `NOT_CHOSEN` where that is not known.
    """

    values: Mapping[str, Floats]
    size_values: Mapping[str, Floats]
    offsets: Indices
    history: dict[str, Floats]
    history_offsets: Indices
    chosen: Indices

    def without_choice(self) -> "Requests":
        """The same questions, asked without saying which size is chosen."""
        return replace(self, chosen=np.full_like(self.chosen, NOT_CHOSEN))

    def of_chosen(self) -> "Requests":
        """The same questions, which all say what is chosen, with no candidate but that."""
        at = self.offsets[:-1] + self.chosen
        return replace(
            self,
            size_values={name: column[at] for name, column in self.size_values.items()},
            offsets=np.arange(len(self.offsets)),
            chosen=np.zeros_like(self.chosen),
        )

    @property
    def question_of_size(self) -> Indices:
        """For each of the m candidates the index of its question."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True)
class Assembled:
    """The model's input: r >= m rows, one for each candidate and person.

    `rows` is (r, len(FEATURES)), NaN where something is unknown; `candidate` and `weight` are (r,): which candidate a
    row is of, and how much of its account its person is; `nearest` is (m,): of each candidate the row of the person
    whose size it is nearer to, who it would be bought for.
    """

    rows: Matrix
    candidate: Indices
    weight: Floats
    nearest: Indices


def assemble(requests: Requests) -> Assembled:
    """Build the model's input for n questions with m candidates, in the order of `FEATURES`."""
    persons = persons_of(requests)
    counts = np.diff(requests.offsets)[persons.question]
    starts = np.concatenate([[0], np.cumsum(counts)])
    person = np.repeat(np.arange(len(counts)), counts)
    candidate = np.arange(starts[-1]) - starts[person] + requests.offsets[persons.question[person]]
    return Assembled(
        rows=_rows(requests, persons, person, candidate),
        candidate=candidate,
        weight=persons.weight[person],
        nearest=_nearest(requests, persons, starts),
    )


def _nearest(requests: Requests, persons: Persons, starts: Indices) -> Indices:
    question = requests.question_of_size
    border = persons.border[question]
    second = requests.size_values["positions"] > np.where(np.isnan(border), np.inf, border)
    within = np.arange(len(question)) - requests.offsets[question]
    return starts[persons.first[question] + second] + within


def _rows(requests: Requests, persons: Persons, person: Indices, candidate: Indices) -> Matrix:
    wide = _per_person(requests.values, persons)
    sizes = requests.size_values
    position = sizes["positions"][candidate]
    columns = {name: wide[name][person] for name in FREE if name not in CHOSEN}
    columns["position"] = position
    low, high = wide["size_low"][person], wide["size_high"][person]
    columns["size_rank"] = np.divide(position - low, high - low, out=np.zeros_like(position), where=high > low)
    for gap, reference in _GAPS.items():
        columns[gap] = position - wide[reference][person]
    columns |= {name: column[person] for name, column in _chosen(requests, persons, wide).items()}
    # The share of evidence for too small (too large) at a size; each shrunk to the article's own rate.
    small = _share(
        sizes["small_at_or_above"], sizes["not_small_at_or_below"], candidate, wide["article_small_rate"][person]
    )
    columns["size_not_small"] = 1.0 - small
    columns["size_large"] = _share(
        sizes["large_at_or_below"], sizes["not_large_at_or_above"], candidate, wide["article_large_rate"][person]
    )
    return np.column_stack([columns[name] for name in FEATURES]).astype(np.float32)


def _chosen(requests: Requests, persons: Persons, wide: Mapping[str, Floats]) -> dict[str, Floats]:
    """`CHOSEN` of every person, (p,); NaN where it is not known what was chosen."""
    known = (requests.chosen != NOT_CHOSEN)[persons.question]
    at = (requests.offsets[:-1] + np.maximum(requests.chosen, 0))[persons.question]
    sizes = {name: np.where(known, column[at], np.nan) for name, column in requests.size_values.items()}
    position, lines = sizes["positions"], sizes["lines_at"]
    span = wide["size_high"] - wide["size_low"]
    columns = {
        "chosen_position": position,
        "chosen_rank": np.divide(position - wide["size_low"], span, out=np.where(known, 0.0, np.nan), where=span > 0),
        "chosen_lines": lines,
    }
    columns |= {f"chosen_{gap}": position - wide[reference] for gap, reference in _GAPS.items()}
    for side in ("small", "large"):
        own = (sizes[f"{side}_at"] + _SIZE_PRIOR_N * wide[f"article_{side}_rate"]) / (lines + _SIZE_PRIOR_N)
        columns[f"chosen_{side}_rate"] = own
        gap = columns["chosen_gap_expected"]
        columns[f"chosen_gap_like_{side}"] = _likeness(gap, wide[f"{side}_offset"], wide["kept_offset"])
        columns[f"chosen_position_like_{side}"] = _likeness(position, wide[f"{side}_mean"], wide["kept_mean"])
    return columns


def _likeness(here: Floats, misfits: Floats, kept: Floats) -> Floats:
    """How much more something is like the mean of an article's misfits than like that of its kept purchases.

    The linear discriminant of two groups of equal spread (Fisher, 1936): of an article that is returned as too small
    in its large sizes, a large size is like what is returned.
    """
    return (misfits - kept) * (here - (misfits + kept) / 2)


def _share(for_it: Floats, against: Floats, candidate: Indices, rate: Floats) -> Floats:
    return (for_it[candidate] + _SIZE_PRIOR_N * rate) / (for_it[candidate] + against[candidate] + _SIZE_PRIOR_N)


def _per_person(values: Mapping[str, Floats], persons: Persons) -> dict[str, Floats]:
    """Every reference and free column, (p,)."""
    article = _per_article(values)
    wide = {name: column[persons.question] for name, column in article.items()} | persons.values
    usual = _ratio(wide["kept_sum"], wide["kept_n"])
    body = wide["body_position"]
    worn_n, worn_sum = (wide[f"kept_{part}"] + wide[f"small_{part}"] + wide[f"large_{part}"] for part in ("n", "sum"))
    with_body = (worn_sum + _BODY_N * body) / (worn_n + _BODY_N)
    # A body is one person's: where two share an account, each is known by what it keeps only.
    alone = np.isnan(persons.border)[persons.question]
    expected = np.where(np.isnan(body) | ~alone, _ratio(worn_sum, worn_n), with_body)
    return wide | {
        "usual": usual,
        "usual_in_brand": _ratio(wide["brand_kept_sum"], wide["brand_kept_n"]),
        "mean_small": _ratio(wide["small_sum"], wide["small_n"]),
        "mean_large": _ratio(wide["large_sum"], wide["large_n"]),
        "expected": expected,
        "expected_here": expected + wide["kept_offset"],
        "small_here": expected + wide["small_offset"],
        "large_here": expected + wide["large_offset"],
        "kept_spread": _spread(wide["kept_n"], wide["kept_sum"], wide["kept_sum_of_squares"]),
    }


def _per_article(values: Mapping[str, Floats]) -> dict[str, Floats]:
    """The customer's body and everything of the article, (n,)."""
    article = dict(values)
    article["article_kept"] = _ratio(values["article_kept_sum"], values["article_kept_n"])
    for outcome in ("kept", "small", "large"):
        article[f"{outcome}_offset"] = article_offset(values, outcome)
        article[f"{outcome}_mean"] = _mean_position(values, outcome)
    for side in ("small", "large"):
        article |= {f"{level}_{side}_rate": rate for level, rate in misfit_rates(values, side).items()}
    return article


def article_offset(values: Mapping[str, Floats], outcome: str = "kept") -> Floats:
    """By how many sizes the article's purchases with this outcome lay above the size expected of their customer.

    Shrunk article -> brand -> category -> market -> 0.
    """
    offset = np.zeros_like(values["article_n"])
    for level in reversed(LEVELS):
        total, count = values[f"{level}_{outcome}_gap_sum"], values[f"{level}_{outcome}_gap_n"]
        offset = (total + _GAP_PRIOR_N * offset) / (count + _GAP_PRIOR_N)
    return offset


def _mean_position(values: Mapping[str, Floats], outcome: str) -> Floats:
    """The mean size position of the purchases with this outcome, shrunk article -> brand -> category -> market.

    NaN where the market has none yet.
    """
    mean = _ratio(values[f"market_{outcome}_sum"], values[f"market_{outcome}_n"])
    for level in reversed(LEVELS[:-1]):
        total, count = values[f"{level}_{outcome}_sum"], values[f"{level}_{outcome}_n"]
        mean = (total + _GAP_PRIOR_N * mean) / (count + _GAP_PRIOR_N)
    return mean


def misfit_rates(values: Mapping[str, Floats], side: str) -> dict[str, Floats]:
    """Per level the share of lines that were too `side`, each shrunk toward the next wider level."""
    rate = np.full_like(values["article_n"], _MISFIT_RATE)
    rates = {}
    for level in reversed(LEVELS):
        rate = (values[f"{level}_{side}_n"] + _PRIOR_N * rate) / (values[f"{level}_n"] + _PRIOR_N)
        rates[level] = rate
    return rates


def _ratio(total: Floats, count: Floats) -> Floats:
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _spread(count: Floats, total: Floats, squares: Floats) -> Floats:
    mean = _ratio(total, count)
    variance = _ratio(squares, count) - mean * mean
    return np.sqrt(np.maximum(variance, 0.0))
