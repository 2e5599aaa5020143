"""What a model answers to the holdout's lines: about the size that was bought, and which size it would name."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.frames import bought_candidates, requests_from_training
from libs.models.evaluation import outcome_codes
from libs.models.ordinal import FIT, Codes, Probabilities, log_losses
from libs.models.package import Package

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """One model on n lines.

    `bought` (n, 3) is the forecast for the size that was bought; `steps` by how many sizes of the article the named
    size is above it; `confidence` the named size's P(fit); `answered` whether that reaches the market's threshold.
    """

    outcomes: Codes
    bought: Probabilities
    steps: npt.NDArray[np.int64]
    confidence: Floats
    answered: Mask
    losses: Floats

    @property
    def kept(self) -> Mask:
        """Lines whose size was kept: the only ones of which the right size is known."""
        return np.equal(self.outcomes, FIT)

    @property
    def hit(self) -> Mask:
        """Lines whose bought size is the one that the model names."""
        return np.equal(self.steps, 0)


def answers(package: Package, rows: pl.DataFrame) -> Answers:
    """Score every size of each line as a live request would, and the bought one as the one that was chosen."""
    requests = requests_from_training(rows)
    predicted = package.predict(requests.without_choice())
    bought = package.predict(requests)[bought_candidates(requests)]
    fit = predicted[:, FIT]
    best = np.array([int(np.argmax(fit[a:b])) for a, b in pairwise(requests.offsets)], dtype=np.int64)
    confidence = fit[requests.offsets[:-1] + best]
    outcomes = outcome_codes(rows)
    return Answers(
        outcomes=outcomes,
        bought=bought,
        steps=best - rows["bought"].to_numpy(),
        confidence=confidence,
        answered=confidence >= package.card.abstention.threshold,
        losses=log_losses(bought, outcomes),
    )
