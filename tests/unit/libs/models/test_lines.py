"""What a model answers to lines does not depend on how they are asked about."""

from dataclasses import fields

import numpy as np
import pytest

from libs.features.frames import requests_from_training
from libs.models import lines
from libs.models.lines import Lines, answer
from libs.models.training import Fitted


def same(one: Lines, other: Lines) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(Lines))


@pytest.mark.parametrize("threads", [1, 3])
def test_lines_are_answered_alike_whatever_goes_through_the_model_at_once(
    fitted: Fitted, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_AT_ONCE", 17)
    assert same(answer(fitted.package, fitted.holdout, threads), fitted.evaluation.lines)


def test_no_lines_have_no_answers(fitted: Fitted) -> None:
    assert len(answer(fitted.package, fitted.holdout.head(0))) == 0


def test_the_size_bought_is_predicted_as_beside_all_others(fitted: Fitted) -> None:
    requests = requests_from_training(fitted.holdout)
    every = fitted.package.predict(requests)
    assert np.array_equal(fitted.evaluation.lines.predicted, every[requests.offsets[:-1] + requests.chosen])


def test_a_hit_is_the_very_size_that_was_bought(fitted: Fitted) -> None:
    found = fitted.evaluation.lines
    assert 0 < found.hit.sum() < len(found)
    assert np.array_equal(found.of(found.hit).steps, np.zeros(found.hit.sum()))
