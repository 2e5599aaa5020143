"""What a model answers to lines whose outcome is known: of the size that was bought, and which size it would name."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.frames import requests_from_training
from libs.models.ordinal import Probabilities, log_losses
from libs.models.outcomes import FIT, Codes, outcome_codes
from libs.models.package import Package

# Lines that go through the model at once: with ten sizes each, its input has 50 MB.
_AT_ONCE = 16_384


@dataclass(frozen=True)
class Lines:
    """A model's answers to each of n lines, so that anything can be measured on them again.

    Shapes: (n,), but for `predicted`, (n, 3), of the size that was bought. `steps` says by how many sizes of the
    article the size named is above the one bought; `confidence` is the named size's P(fit); `answered`: it meets the
    market's threshold.
    """

    customers: npt.NDArray[np.object_]
    predicted: Probabilities
    outcomes: Codes
    steps: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    answered: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        return log_losses(self.predicted, self.outcomes)

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """The lines of which the right size is known."""
        return np.equal(self.outcomes, FIT)

    @property
    def hit(self) -> npt.NDArray[np.bool_]:
        """The lines whose named size is the one that was bought."""
        return np.equal(self.steps, 0)

    def of(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Lines":
        """The lines that `rows`, a mask (n,) or indices, selects."""
        return Lines(*(getattr(self, field.name)[rows] for field in fields(self)))


def answer(package: Package, rows: pl.DataFrame, threads: int = 1) -> Lines:
    """Score every size of each line as a live request would, and the bought one as the one that was chosen.

    Shape: rows (n), with all sizes of their articles.
    """
    blocks = [rows.slice(start, _AT_ONCE) for start in range(0, max(len(rows), 1), _AT_ONCE)]
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(partial(_answer, package), blocks))
    return Lines(*(np.concatenate([getattr(one, field.name) for one in parts]) for field in fields(Lines)))


def _answer(package: Package, rows: pl.DataFrame) -> Lines:
    requests = requests_from_training(rows)
    best, confidence = named_size(package.predict(requests.without_choice()), requests.offsets)
    return Lines(
        customers=rows["customer_id"].to_numpy(),
        predicted=package.predict(requests.of_chosen()),
        outcomes=outcome_codes(rows),
        steps=best - requests.chosen,
        confidence=confidence,
        answered=confidence >= package.card.abstention.threshold,
    )


def named_size(
    predicted: Probabilities, offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Per question the index of the size most likely to fit, within its own sizes, and that likelihood."""
    fit, counts = predicted[:, FIT], np.diff(offsets)
    if not len(counts):
        return np.empty(0, dtype=np.int64), np.empty(0)
    highest = np.maximum.reduceat(fit, offsets[:-1])
    # Of equals the first: each question's own places, and of those that do not hold its highest one beyond all.
    place = np.arange(len(fit)) - np.repeat(offsets[:-1], counts)
    place[fit != np.repeat(highest, counts)] = len(fit)
    return np.minimum.reduceat(place, offsets[:-1]), highest
