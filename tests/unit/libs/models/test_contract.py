"""A recommendation as it travels."""

from typing import Any

import msgspec
import pytest

from libs.models.contract import Answered, Recommendation, SizeProbability, answered


def recommendation(reason: Any) -> Recommendation:
    size = None if reason else "38"
    return Recommendation("a", size, 0.8, None, bool(reason), reason, None, [], [SizeProbability("38", 0.1, 0.8, 0.1)])


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (None, "recommended"),
        ("low_confidence", "abstained"),
        ("features_unavailable", "abstained"),
        ("unknown_article", "unknown_article"),
    ],
)
def test_an_outcome_is_one_word(reason: str | None, outcome: str) -> None:
    assert answered(recommendation(reason)).outcome == outcome


def test_beside_its_json_stands_what_the_way_needs() -> None:
    one = recommendation(None)
    travelling = answered(one)
    assert travelling == Answered("recommended", "38", 0.8, travelling.body)
    assert msgspec.json.decode(travelling.body, type=Recommendation) == one
