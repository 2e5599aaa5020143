"""The model: one booster that answers "is the outcome beyond this threshold?", for both thresholds.

Outcomes are ordered: small < fit < large. Each row is asked twice, once whether it is beyond `small` and once whether
it is beyond `fit`, and the threshold is a feature of the row. This is the extended binary classification of an ordinal
target (Li and Lin, "Ordinal Regression by Extended Binary Classification", NIPS 2006). With monotone constraints, up
in everything that grows with the size and down in the threshold, P(small) never rises and P(large) never falls as the
size grows, and the three probabilities are never negative.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.optimize import minimize

from libs.base.errors import DataError
from libs.base.market import Training
from libs.features.assembly import FEATURES, MONOTONE, Matrix

Codes = npt.NDArray[np.int8]
Probabilities = npt.NDArray[np.float64]

# What an engine does: rows, outcomes, config and threads in, a fitted booster out.
FitBooster = Callable[[Matrix, Codes, Training, int], xgb.Booster]

SMALL, FIT, LARGE = 0, 1, 2
MODEL_FEATURES = (*FEATURES, "threshold")

# Clipping of probabilities before a logarithm: below what a float32 margin can tell apart.
_TINY = 1e-7


@dataclass(frozen=True)
class Calibration:
    """Margins to calibrated margins: one positive slope, one intercept per threshold. The slope is shared, and
    positive, so that calibration keeps every order that the booster promises.
    """

    slope: float = 1.0
    intercepts: tuple[float, float] = (0.0, 0.0)


def booster_parameters(training: Training, threads: int) -> dict[str, object]:
    """XGBoost's parameters for a market's training config."""
    constraints = [1 if name in MONOTONE else 0 for name in FEATURES] + [-1]
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": training.max_depth,
        "learning_rate": training.learning_rate,
        "min_child_weight": training.min_child_weight,
        "subsample": training.subsample,
        "colsample_bytree": training.colsample,
        "monotone_constraints": f"({','.join(map(str, constraints))})",
        "seed": training.seed,
        "nthread": threads,
    }


def expand(rows: Matrix) -> Matrix:
    """Ask each row at both thresholds: (m, F) -> (2m, F + 1), all rows at the first threshold, then at the second."""
    threshold = np.repeat(np.array([SMALL, FIT], dtype=np.float32), len(rows))
    return np.column_stack([np.concatenate([rows, rows]), threshold]).astype(np.float32, copy=False)


def expand_outcomes(outcomes: Codes) -> npt.NDArray[np.float32]:
    """The answers that belong to `expand`: beyond small, then beyond fit."""
    return np.concatenate([outcomes > SMALL, outcomes > FIT]).astype(np.float32)


def fit_booster(rows: Matrix, outcomes: Codes, training: Training, threads: int = 1) -> xgb.Booster:
    """Fit the booster on assembled rows.

    Raises:
        DataError: an outcome is absent from the rows; nothing could be learned about it.
    """
    return boost(booster_data(rows, outcomes), training, threads)


def booster_data(rows: Matrix, outcomes: Codes) -> xgb.QuantileDMatrix:
    """What a booster is fitted on: made once, and good for any training config.

    Raises:
        DataError: an outcome is absent from the rows.
    """
    check_outcomes(outcomes)
    return xgb.QuantileDMatrix(expand(rows), expand_outcomes(outcomes), feature_names=list(MODEL_FEATURES))


def boost(data: xgb.QuantileDMatrix, training: Training, threads: int = 1) -> xgb.Booster:
    """Fit the booster with a market's training config."""
    return xgb.train(booster_parameters(training, threads), data, num_boost_round=training.rounds)


def check_outcomes(outcomes: Codes) -> None:
    """Raises: DataError: one of the three outcomes does not occur."""
    counts = np.bincount(outcomes, minlength=3)
    if (counts == 0).any():
        names = dict(zip(("small", "fit", "large"), counts.tolist(), strict=True))
        raise DataError(
            f"training needs all three outcomes, the market has {names}. Look at the return reasons, or train later."
        )


def margins(booster: xgb.Booster, rows: Matrix) -> Probabilities:
    """The booster's raw log-odds, (m, 2): beyond small, beyond fit."""
    flat = booster.inplace_predict(expand(rows), predict_type="margin", validate_features=False)
    return np.asarray(flat, dtype=np.float64).reshape(2, -1).T


def probabilities(raw: Probabilities, calibration: Calibration) -> Probabilities:
    """From margins (m, 2) to P(small), P(fit), P(large), (m, 3); each row sums to 1."""
    calibrated = calibration.slope * raw + np.array(calibration.intercepts)
    beyond = 1.0 / (1.0 + np.exp(-calibrated))
    beyond_small = beyond[:, 0]
    # Two intercepts may cross the thresholds where they almost touch; the minimum of two rising curves still rises.
    beyond_fit = np.minimum(beyond[:, 1], beyond_small)
    return np.column_stack([1.0 - beyond_small, beyond_small - beyond_fit, beyond_fit])


def fit_calibration(raw: Probabilities, outcomes: Codes) -> Calibration:
    """Fit slope and intercepts by maximum likelihood on rows the booster has not seen (Platt, 1999, made ordinal)."""
    beyond = np.column_stack([outcomes > SMALL, outcomes > FIT]).astype(np.float64)

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        log_odds = np.exp(parameters[0]) * raw + parameters[1:]
        return float(np.mean(np.logaddexp(0.0, log_odds) - beyond * log_odds))

    best = minimize(loss, np.zeros(3), method="BFGS").x
    return Calibration(float(np.exp(best[0])), (float(best[1]), float(best[2])))


def log_losses(predicted: Probabilities, outcomes: Codes) -> npt.NDArray[np.float64]:
    """Per row, minus the log of the probability given to what happened."""
    return -np.log(np.clip(predicted[np.arange(len(outcomes)), outcomes], _TINY, 1.0))
