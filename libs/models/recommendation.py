"""From probabilities per size to an answer: the best size, a second best, or an abstention with its reason."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from libs.base.market import Recommendation as Policy
from libs.features.snapshot import Snapshot
from libs.models.contract import Recommendation, SecondBest, SizeProbability
from libs.models.explanation import Explainer
from libs.models.ordinal import Probabilities
from libs.models.outcomes import FIT
from libs.models.package import Card, Package

# Digits of a probability in an answer: more would be noise.
_DIGITS = 4
_Unanswered = Literal["unknown_article", "features_unavailable"]


def recommend(package: Package, snapshot: Snapshot, article_ids: Sequence[str]) -> list[Recommendation]:
    """Answer every question of a snapshot in one vectorised pass.

    Shape: `article_ids` is over all n questions, the answers too; questions whose article is not online are answered
    as `unknown_article`, or, while the online store is away and nobody can tell, as `features_unavailable`.
    """
    reason: _Unanswered = "features_unavailable" if snapshot.store_away else "unknown_article"
    answers = [_without_features(article, reason) for article in article_ids]
    if not snapshot.known:
        return answers
    predicted = package.predict(snapshot.requests)
    explainer = Explainer.of(snapshot)
    offsets = snapshot.requests.offsets
    for question, index in enumerate(snapshot.known):
        rows = predicted[offsets[question] : offsets[question + 1]]
        answers[index] = _answer(article_ids[index], snapshot, question, rows, explainer, package.card)
    return answers


def _without_features(article_id: str, reason: _Unanswered) -> Recommendation:
    return Recommendation(article_id, None, None, None, True, reason, None, [], [])


def _answer(
    article_id: str, snapshot: Snapshot, question: int, rows: Probabilities, explainer: Explainer, card: Card
) -> Recommendation:
    labels = snapshot.sizes[question]
    ranked = np.argsort(-rows[:, FIT], kind="stable").tolist()
    best, confidence = ranked[0], float(rows[ranked[0], FIT])
    abstained = confidence < card.abstention.threshold
    return Recommendation(
        article_id=article_id,
        size=None if abstained else labels[best],
        confidence=round(confidence, _DIGITS),
        second_best=None if abstained else _second_best(labels, rows, ranked, card.recommendation),
        abstained=abstained,
        abstention_reason="low_confidence" if abstained else None,
        basis=explainer.basis(question),
        reasons=explainer.reasons(question),
        sizes=[
            SizeProbability(label, *row) for label, row in zip(labels, np.round(rows, _DIGITS).tolist(), strict=True)
        ],
    )


def _second_best(
    labels: Sequence[str], rows: Probabilities, ranked: Sequence[int], policy: Policy
) -> SecondBest | None:
    """The runner-up, when the customer lies between it and the best: next to it in size, and nearly as likely."""
    if len(ranked) < 2 or abs(ranked[1] - ranked[0]) != 1:
        return None
    best, second = (float(rows[index, FIT]) for index in ranked[:2])
    if best - second > policy.second_best_within:
        return None
    return SecondBest(labels[ranked[1]], round(second, _DIGITS))
