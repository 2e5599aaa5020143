"""From features to the model's input: one code for training, evaluation, bulk scoring and the live request.

The model sees each candidate size of an article as one row. Columns that depend on the candidate size never fall as
the size grows (`MONOTONE`), which is what lets the model promise that P(small) never rises and P(large) never falls.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from libs.features.columns import LEVELS, SIZE_STATISTICS

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

# Pseudo-observations of a level's prior, the next wider level. About the count at which an article's own rate beats
# its category's on the generated data; the model weighs the evidence again through the counts.
_PRIOR_N = 10.0
_GAP_PRIOR_N = 5.0
_SIZE_PRIOR_N = 2.0

MONOTONE = (
    "position",
    "gap_kept",
    "gap_kept_offset",
    "gap_small",
    "gap_large",
    "gap_body",
    "gap_body_offset",
    "gap_article_kept",
    "size_balance",
)
FREE = (
    "kept_n",
    "kept_spread",
    "small_n",
    "large_n",
    "height_cm",
    "weight_kg",
    "birth_year",
    "article_n",
    "article_small_rate",
    "article_large_rate",
    "brand_small_rate",
    "brand_large_rate",
    "category_small_rate",
    "category_large_rate",
    "offset",
    "scale",
)
FEATURES = MONOTONE + FREE


@dataclass(frozen=True)
class Requests:
    """n questions, each with its candidate sizes, as columns.

    `values` holds customer statistics on the article's scale, body, article statistics and `scale`, each (n,);
    `size_values` holds `positions` and the size statistics, each (m,) over all candidates; question i owns the
    candidates `offsets[i]:offsets[i + 1]`.
    """

    values: Mapping[str, Floats]
    size_values: Mapping[str, Floats]
    offsets: npt.NDArray[np.int64]

    @property
    def question_of_size(self) -> npt.NDArray[np.int64]:
        """For each of the m candidates the index of its question."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def assemble(requests: Requests, body_size: Floats) -> Matrix:
    """Build the model's input.

    Args:
        requests: n questions with m candidates.
        body_size: (n,) the size position that the customer's body suggests, NaN where unknown.

    Returns:
        (m, len(FEATURES)) in the order of `FEATURES`; NaN where something is unknown.
    """
    wide = _per_question(requests.values, body_size)
    question = requests.question_of_size
    position = requests.size_values["positions"]
    columns = {name: wide[name][question] for name in FREE}
    columns["position"] = position
    for gap, reference in _GAPS.items():
        columns[gap] = position - wide[reference][question]
    small, large = (requests.size_values[name] for name in SIZE_STATISTICS)
    columns["size_balance"] = (large + _SIZE_PRIOR_N) / (small + large + 2 * _SIZE_PRIOR_N)
    return np.column_stack([columns[name] for name in FEATURES]).astype(np.float32)


# Each gap is the candidate's position less one of these references of the question.
_GAPS = {
    "gap_kept": "usual",
    "gap_kept_offset": "usual_here",
    "gap_small": "mean_small",
    "gap_large": "mean_large",
    "gap_body": "body",
    "gap_body_offset": "body_here",
    "gap_article_kept": "article_kept",
}


def _per_question(values: Mapping[str, Floats], body_size: Floats) -> dict[str, Floats]:
    offset = article_offset(values)
    usual = _ratio(values["kept_sum"], values["kept_n"])
    wide = {name: values[name] for name in FREE if name in values}
    wide |= {
        "usual": usual,
        "usual_here": usual + offset,
        "mean_small": _ratio(values["small_sum"], values["small_n"]),
        "mean_large": _ratio(values["large_sum"], values["large_n"]),
        "body": body_size,
        "body_here": body_size + offset,
        "article_kept": _ratio(values["article_kept_sum"], values["article_kept_n"]),
        "kept_spread": _spread(values["kept_n"], values["kept_sum"], values["kept_sum_of_squares"]),
        "offset": offset,
    }
    for side in ("small", "large"):
        rates = misfit_rates(values, side)
        wide |= {f"{level}_{side}_rate": rates[level] for level in ("article", "brand", "category")}
    return wide


def article_offset(values: Mapping[str, Floats]) -> Floats:
    """By how many sizes the article's keepers took it above their usual size, shrunk article -> brand -> ... -> 0."""
    offset = np.zeros_like(values["article_n"])
    for level in reversed(LEVELS):
        offset = (values[f"{level}_gap_sum"] + _GAP_PRIOR_N * offset) / (values[f"{level}_gap_n"] + _GAP_PRIOR_N)
    return offset


def misfit_rates(values: Mapping[str, Floats], side: str) -> dict[str, Floats]:
    """Per level the share of lines that were too `side`, each shrunk toward the next wider level."""
    # One in eight on either side is the order of magnitude of published fit data; it only matters in an empty market.
    rate = np.full_like(values["article_n"], 0.125)
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
