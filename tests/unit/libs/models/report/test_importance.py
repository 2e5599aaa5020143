"""SHAP values of a model of two targets."""

import numpy as np
import pytest

from libs.features.assembly import MONOTONE
from libs.models.report.importance import importance
from libs.models.training import Fitted


def test_every_feature_of_the_card_is_there_the_most_important_first(fitted: Fitted) -> None:
    found = importance(fitted.package, fitted.holdout, sample=200)
    assert sorted(found.names) == sorted(fitted.package.card.features)
    assert (np.diff(found.mean_size) <= 0).all()
    assert found.values.shape == found.shift.shape == found.fit.shape == (200, len(found.names))
    assert 0 < found.gain.sum() <= 1


def test_importance_is_line_by_line_the_larger_of_shift_and_fit(fitted: Fitted) -> None:
    found = importance(fitted.package, fitted.holdout, sample=200)
    larger = np.maximum(np.abs(found.shift), np.abs(found.fit)).mean(axis=0)
    assert found.mean_size == pytest.approx(larger, abs=1e-6)


def test_what_grows_with_the_size_shifts_toward_too_large(fitted: Fitted) -> None:
    found = importance(fitted.package, fitted.holdout, sample=500)
    gap = next(index for index, name in enumerate(found.names) if name in MONOTONE)
    known = ~np.isnan(found.values[:, gap])
    assert np.corrcoef(found.values[known, gap], found.shift[known, gap])[0, 1] > 0.5


def test_the_sample_is_the_same_each_time(fitted: Fitted) -> None:
    first, again = (importance(fitted.package, fitted.holdout, sample=50) for _ in range(2))
    assert first.shift.tobytes() == again.shift.tobytes()
