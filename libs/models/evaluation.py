"""How good a model is on a time-forward holdout, in the measures the minimum standards use."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import roc_auc_score

from libs.features.assembly import Requests
from libs.features.frames import requests_from_training
from libs.features.persons import account_statistics
from libs.models.explanation import ARTICLE_BASES, CUSTOMER_BASES, bases
from libs.models.lines import Lines, answer
from libs.models.ordinal import Probabilities
from libs.models.outcomes import Codes
from libs.models.package import Package

# Bins of the calibration error, per class.
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Metrics:
    """Measures on one set of lines. Areas are null where one of the classes is absent.

    `coverage` is the share of questions answered; `precision` the share kept among purchases of the very size that was
    answered (`abstention` says what that does not tell); `top1_accuracy` how often the kept size was the one named.
    """

    lines: int
    auc_macro: float | None
    auc_weighted: float | None
    auc_small: float | None
    auc_fit: float | None
    auc_large: float | None
    log_loss: float
    calibration_error: float
    coverage: float
    top1_accuracy: float | None
    precision: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A model on a holdout: measures of all lines and of slices, the lines themselves, and which are in each slice."""

    overall: Metrics
    slices: dict[str, Metrics]
    lines: Lines
    members: dict[str, npt.NDArray[np.bool_]]

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Each line's loss, for paired comparison, (n,)."""
        return self.lines.losses


def evaluate(package: Package, rows: pl.DataFrame, threads: int = 1) -> Evaluation:
    """Answer each holdout line, and measure. Shape: rows (n), with all sizes of their articles."""
    return evaluation_of(answer(package, rows, threads), slice_masks(rows, requests_from_training(rows)))


def evaluation_of(lines: Lines, slices: Mapping[str, npt.NDArray[np.bool_]]) -> Evaluation:
    """Measure lines that were answered, all of them and each slice that has any, (n,)."""
    members = {name: rows for name, rows in slices.items() if rows.any()}
    return Evaluation(measure(lines), {name: measure(lines.of(rows)) for name, rows in members.items()}, lines, members)


def slice_masks(rows: pl.DataFrame, requests: Requests) -> dict[str, npt.NDArray[np.bool_]]:
    """The slices the standards may name.

    A wide spread of kept sizes is how an account of several people looks; `basis_history_brand` and its like are the
    lines by the evidence that an answer says it rests on.
    """
    account = account_statistics(requests)
    kept, article = account["kept_n"], rows["article_n"].to_numpy()
    mean = np.divide(account["kept_sum"], kept, out=np.zeros(len(rows)), where=kept > 0)
    squares = np.divide(account["kept_sum_of_squares"], kept, out=np.zeros(len(rows)), where=kept > 0)
    spread = np.sqrt(np.maximum(squares - mean * mean, 0.0))
    masks = {
        "cold_customer": kept == 0,
        "warm_customer": kept > 0,
        "cold_article": article == 0,
        "cold_both": (kept == 0) & (article == 0),
        "multi_person": (kept >= 3) & (spread > 2.0),
    }
    customer, of_article = bases(requests)
    masks |= {
        f"basis_{one}_{other}": (customer == first) & (of_article == second)
        for first, one in enumerate(CUSTOMER_BASES)
        for second, other in enumerate(ARTICLE_BASES)
    }
    divisions = rows["division"].to_numpy()
    return masks | {f"division_{name}": divisions == name for name in sorted(set(divisions))}


def measure(lines: Lines) -> Metrics:
    """The measures of at least one line."""
    predicted, outcomes, kept = lines.predicted, lines.outcomes, lines.kept
    areas = [_area(outcomes == code, predicted[:, code]) for code in range(3)]
    shares = np.bincount(outcomes, minlength=3) / len(outcomes)
    known = [area for area in areas if area is not None]
    whole = len(known) == len(areas)
    named = lines.answered & lines.hit
    return Metrics(
        lines=len(lines),
        auc_macro=float(np.mean(known)) if whole else None,
        auc_weighted=float(np.dot(shares, known)) if whole else None,
        auc_small=areas[0],
        auc_fit=areas[1],
        auc_large=areas[2],
        log_loss=float(lines.losses.mean()),
        calibration_error=calibration_error(predicted, outcomes),
        coverage=float(lines.answered.mean()),
        top1_accuracy=float(lines.hit[kept].mean()) if kept.any() else None,
        precision=float(kept[named].mean()) if named.any() else None,
    )


def _area(actual: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]) -> float | None:
    if actual.all() or not actual.any():
        return None
    return float(roc_auc_score(actual, score))


def calibration_error(predicted: Probabilities, outcomes: Codes) -> float:
    """Expected calibration error: per class, over 15 bins of equal mass, the mean gap of forecast and frequency.

    Source: Nixon et al., "Measuring Calibration in Deep Learning", CVPR workshops 2019 (adaptive, class-wise).
    """
    errors = []
    for code in range(predicted.shape[1]):
        order = np.argsort(predicted[:, code], kind="stable")
        bins = np.array_split(order, min(CALIBRATION_BINS, len(order)))
        gaps = [abs(predicted[rows, code].mean() - (outcomes[rows] == code).mean()) * len(rows) for rows in bins]
        errors.append(sum(gaps) / len(order))
    return float(np.mean(errors))
