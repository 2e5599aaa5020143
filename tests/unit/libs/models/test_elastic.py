"""What the elastic engine learned one target at a time is one booster like any other."""

import numpy as np
import pytest
import xgboost as xgb

from libs.models.elastic import joined

ROWS = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


def booster(target: np.ndarray, rounds: int = 5) -> xgb.Booster:
    return xgb.train({"objective": "binary:logistic"}, xgb.QuantileDMatrix(ROWS, target), rounds)


def test_two_boosters_joined_answer_as_each_alone() -> None:
    beyond_small, beyond_fit = booster(ROWS[:, 0] > -1), booster(ROWS[:, 1] + ROWS[:, 0] > 1)
    both = joined(beyond_small, beyond_fit).inplace_predict(ROWS)
    assert both[:, 0].tolist() == beyond_small.inplace_predict(ROWS).tolist()
    assert both[:, 1].tolist() == beyond_fit.inplace_predict(ROWS).tolist()


def test_boosters_of_different_lengths_are_not_joined() -> None:
    with pytest.raises(ValueError, match="shorter"):
        joined(booster(ROWS[:, 0] > 0, 5), booster(ROWS[:, 1] > 0, 4))
