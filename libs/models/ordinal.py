"""The model: one booster of two targets, "is the outcome beyond small?" and "is it beyond fit?".

Outcomes are ordered: small < fit < large, so three classes are two cumulative questions (Frank and Hall, "A Simple
Approach to Ordinal Classification", ECML 2001), each with trees of its own. With monotone constraints, up in everything
that grows with the size, P(small) never rises and P(large) never falls as the size grows. Asking one booster both
questions with the threshold as a feature, which would also keep the answers from crossing, was worse by 0.001 macro and
0.002 fit-class AUC on the public data: its trees spend their depth on telling the questions apart.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.optimize import minimize

from libs.base.market import Training
from libs.features.assembly import FEATURES, MONOTONE, Matrix
from libs.models.checkpoint import Checkpoint
from libs.models.outcomes import Codes, beyond, check_outcomes

Probabilities = npt.NDArray[np.float64]

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
    constraints = [1 if name in MONOTONE else 0 for name in FEATURES]
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


def fit_booster(
    rows: Matrix, outcomes: Codes, training: Training, threads: int = 1, checkpoint: Checkpoint | None = None
) -> xgb.Booster:
    """Fit the booster on assembled rows.

    Raises:
        DataError: an outcome is absent from the rows; nothing could be learned about it.
    """
    return boost(booster_data(rows, outcomes), training, threads, checkpoint)


def booster_data(rows: Matrix, outcomes: Codes) -> xgb.QuantileDMatrix:
    """What a booster is fitted on: made once, and good for any training config.

    Raises:
        DataError: an outcome is absent from the rows.
    """
    check_outcomes(outcomes)
    return xgb.QuantileDMatrix(rows, beyond(outcomes), feature_names=list(FEATURES))


def boost(data: xgb.DMatrix, training: Training, threads: int = 1, checkpoint: Checkpoint | None = None) -> xgb.Booster:
    """Fit the booster with a market's training config; with a checkpoint, go on from where it was last kept."""
    begun = checkpoint.booster() if checkpoint else None
    return xgb.train(
        booster_parameters(training, threads),
        data,
        num_boost_round=training.rounds - (begun.num_boosted_rounds() if begun else 0),
        xgb_model=begun,
        callbacks=checkpoint.keepers() if checkpoint else None,
    )


def margins(booster: xgb.Booster, rows: Matrix) -> Probabilities:
    """The booster's raw log-odds, (m, 2): beyond small, beyond fit."""
    raw = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    return np.asarray(raw, dtype=np.float64).reshape(len(rows), 2)


def probabilities(raw: Probabilities, calibration: Calibration) -> Probabilities:
    """From margins (m, 2) to P(small), P(fit), P(large), (m, 3); each row sums to 1."""
    calibrated = calibration.slope * raw + np.array(calibration.intercepts)
    answers = 1.0 / (1.0 + np.exp(-calibrated))
    beyond_small = answers[:, 0]
    # The two answers are learned apart and may cross where they almost touch; the minimum of two rising curves rises.
    beyond_fit = np.minimum(answers[:, 1], beyond_small)
    return np.column_stack([1.0 - beyond_small, beyond_small - beyond_fit, beyond_fit])


def fit_calibration(raw: Probabilities, outcomes: Codes) -> Calibration:
    """Fit slope and intercepts by maximum likelihood on rows the booster has not seen (Platt, 1999, made ordinal)."""
    happened = beyond(outcomes).astype(np.float64)

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        log_odds = np.exp(parameters[0]) * raw + parameters[1:]
        return float(np.mean(np.logaddexp(0.0, log_odds) - happened * log_odds))

    best = minimize(loss, np.zeros(3), method="BFGS").x
    return Calibration(float(np.exp(best[0])), (float(best[1]), float(best[2])))


def log_losses(predicted: Probabilities, outcomes: Codes) -> npt.NDArray[np.float64]:
    """Per row, minus the log of the probability given to what happened."""
    return -np.log(np.clip(predicted[np.arange(len(outcomes)), outcomes], _TINY, 1.0))
