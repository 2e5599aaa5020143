"""What a model answers to the holdout's lines: about the size that was bought, and which size it would name."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.frames import bought_candidates, requests_from_training
from libs.models.bootstrap import Floats
from libs.models.evaluation import Lines, named_size
from libs.models.outcomes import outcome_codes
from libs.models.package import Package
from libs.models.weighted import Mask


@dataclass(frozen=True)
class Answers:
    """One model on n lines, as they are judged, and what only a picture shows.

    `steps` says by how many sizes of the article the named size is above the bought one; `confidence` is the named
    size's P(fit).
    """

    lines: Lines
    steps: npt.NDArray[np.int64]
    confidence: Floats

    def of(self, rows: Mask) -> "Answers":
        """The answers to the lines that `rows`, (n,), selects."""
        return Answers(self.lines.of(rows), self.steps[rows], self.confidence[rows])


def answers(package: Package, rows: pl.DataFrame) -> Answers:
    """Score every size of each line as a live request would, and the bought one as the one that was chosen."""
    requests = requests_from_training(rows)
    best, confidence = named_size(package.predict(requests.without_choice()), requests.offsets)
    steps = best - requests.chosen
    lines = Lines(
        customers=rows["customer_id"].to_numpy(),
        predicted=package.predict(requests)[bought_candidates(requests)],
        outcomes=outcome_codes(rows),
        answered=confidence >= package.card.abstention.threshold,
        hit=steps == 0,
    )
    return Answers(lines, steps, confidence)
