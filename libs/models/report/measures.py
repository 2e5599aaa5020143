"""The measures of the minimum standards, as statistics that can be resampled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score

from libs.models.ordinal import FIT
from libs.models.report.answers import Answers, Floats, Mask
from libs.models.report.resampling import Statistic

# Scores are ranked into this many groups of equal mass for the replicates of an area under a curve; pairs within one
# group, 0.4 % of all, count as half right.
_RANKS = 256
# As in `evaluation.calibration_error`, whose value is shown; a test keeps the two together.
_CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Measure:
    """A named measure; `higher` says whether more of it is better. Shares are shown in per cent."""

    name: str
    label: str
    meaning: str
    higher: bool
    share: bool
    of: Callable[[Answers, Mask], Statistic]


def ratio(numerator: Floats | Mask, denominator: Floats | Mask) -> Statistic:
    """Sums of columns over sums of columns; (n, v) each."""
    width = numerator.shape[1]
    terms = sp.csr_matrix(np.column_stack([numerator, denominator]).astype(np.float64))
    return Statistic(terms, lambda sums: sums[..., :width] / sums[..., width:])


def mean(values: Floats | Mask, over: Mask | None = None) -> Statistic:
    """The mean of a value (n,), over some lines."""
    weights = np.ones(len(values)) if over is None else over.astype(np.float64)
    return ratio((values * weights)[:, None], weights[:, None])


def auc(actual: Mask, score: Floats) -> Statistic:
    """The area under the ROC curve of one class against the others."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, _RANKS + 1)[1:-1]))
    ranks = len(edges) + 1
    rank = np.searchsorted(edges, score)
    columns = rank + np.where(actual, ranks, 0)
    terms = _one_hot(columns, 2 * ranks)

    def area(sums: Floats) -> Floats:
        others, ones = sums[..., :ranks], sums[..., ranks:]
        below = np.cumsum(others, axis=-1) - others / 2
        pairs = others.sum(axis=-1) * ones.sum(axis=-1)
        return np.asarray(((ones * below).sum(axis=-1) / pairs)[..., None])

    both = bool(actual.any()) and not bool(actual.all())
    return Statistic(terms, area, np.array([roc_auc_score(actual, score) if both else np.nan]))


def auc_of_class(answers: Answers, rows: Mask, code: int) -> Statistic:
    """The area of one outcome, by its forecast for the size that was bought."""
    return auc(answers.outcomes[rows] == code, answers.bought[rows, code])


def auc_macro(answers: Answers, rows: Mask) -> Statistic:
    """The plain mean of the three areas."""
    parts = [auc_of_class(answers, rows, code) for code in range(3)]
    edges = np.cumsum([0, *(part.terms.shape[1] for part in parts)])

    def area(sums: Floats) -> Floats:
        areas = [part.of_sums(sums[..., edges[i] : edges[i + 1]]) for i, part in enumerate(parts)]
        return np.asarray(np.mean(areas, axis=0))

    exact = np.mean([part.value for part in parts if part.value is not None], axis=0)
    return Statistic(sp.hstack([part.terms for part in parts], format="csr"), area, exact)


def log_loss(answers: Answers, rows: Mask) -> Statistic:
    """The mean of minus the log of the probability given to what happened."""
    return mean(answers.losses[rows])


def calibration_error(answers: Answers, rows: Mask) -> Statistic:
    """The mean gap of forecast and frequency over bins of equal mass and over the classes."""
    predicted, outcomes = answers.bought[rows], answers.outcomes[rows]
    lines = len(outcomes)
    bins = min(_CALIBRATION_BINS, lines)
    parts = [sp.csr_matrix(np.ones((lines, 1)))]
    for code in range(3):
        gap = predicted[:, code] - (outcomes == code)
        parts.append(sp.diags(gap) @ _one_hot(equal_mass(predicted[:, code], bins), bins))
    return Statistic(
        sp.hstack(parts, format="csr"),
        lambda sums: np.asarray((np.abs(sums[..., 1:]).sum(axis=-1) / sums[..., 0] / 3)[..., None]),
    )


def equal_mass(score: Floats, bins: int) -> npt.NDArray[np.int64]:
    """The bin of each line: `bins` of equal mass, from the lowest score up."""
    found = np.empty(len(score), dtype=np.int64)
    for index, rows in enumerate(np.array_split(np.argsort(score, kind="stable"), bins)):
        found[rows] = index
    return found


def coverage(answers: Answers, rows: Mask) -> Statistic:
    """The share of lines that get an answer."""
    return mean(answers.answered[rows])


def top1_accuracy(answers: Answers, rows: Mask) -> Statistic:
    """Of the lines that were kept, the share whose size the model names."""
    return mean(answers.hit[rows], answers.kept[rows])


def fit_gap(answers: Answers, rows: Mask) -> Statistic:
    """Forecast less observed share of kept lines: above zero, the model promises too much."""
    return mean(answers.bought[rows, FIT] - answers.kept[rows])


def _one_hot(columns: npt.NDArray[np.int64], width: int) -> sp.csr_matrix:
    lines = len(columns)
    return sp.csr_matrix((np.ones(lines), (np.arange(lines), columns)), shape=(lines, width))


AUC_MACRO = Measure(
    "auc_macro",
    "Macro AUC",
    "how well small, fit and large are told apart: 0.5 is a coin, 1 is perfect",
    higher=True,
    share=False,
    of=auc_macro,
)
LOG_LOSS = Measure(
    "log_loss", "Log loss", "how surprised the model is by what happened", higher=False, share=False, of=log_loss
)
CALIBRATION = Measure(
    "calibration_error",
    "Calibration error",
    "mean gap between forecast and observed frequency",
    higher=False,
    share=True,
    of=calibration_error,
)
COVERAGE = Measure("coverage", "Coverage", "share of lines that get an answer", higher=True, share=True, of=coverage)
TOP1 = Measure(
    "top1_accuracy",
    "Right size first",
    "of kept lines, the share whose size the model names first",
    higher=True,
    share=True,
    of=top1_accuracy,
)
KEY_MEASURES = (AUC_MACRO, LOG_LOSS, CALIBRATION, COVERAGE, TOP1)
CLASS_AREAS = tuple(
    Measure(
        f"auc_{name}",
        f"AUC {name}",
        f"how well lines that turned out {name} are told from the others",
        higher=True,
        share=False,
        of=lambda answers, rows, code=code: auc_of_class(answers, rows, code),  # type: ignore[misc]
    )
    for code, name in enumerate(("small", "fit", "large"))
)
