"""A version beside the champion, on the lines of the holdout that neither has learnt from."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from libs.models import weighted
from libs.models.bootstrap import Floats
from libs.models.package import Package
from libs.models.report.answers import Answers, answers
from libs.models.report.estimates import Estimate, estimates, values
from libs.models.report.measures import MEASURES, Measure
from libs.models.rival import knows_until
from libs.models.weighted import Mask


@dataclass(frozen=True)
class Compared:
    """One measure of both models on the same lines, and the paired difference: this version's less the champion's."""

    measure: Measure
    value: float | None
    champion: float | None
    difference: Estimate


@dataclass(frozen=True)
class Disagreement:
    """Lines to which the two models name different sizes; of those that were kept, who named the kept size."""

    lines: int
    kept: int
    right: int
    champion_right: int


@dataclass(frozen=True)
class Shared:
    """Both models on the lines, at least one, that are new to both; `excess`: each one's loss above the champion's."""

    champion: Answers
    excess: Floats
    compared: list[Compared]
    disagreement: Disagreement


@dataclass(frozen=True)
class Beside:
    """What can be compared: `unseen`, (n,), says which lines of the holdout are later than all that the champion has
    learnt from; `shared` is null where there are none.
    """

    knows_until: datetime
    unseen: Mask
    shared: Shared | None

    @property
    def lines(self) -> int:
        """How many lines are new to both."""
        return int(self.unseen.sum())

    @property
    def whole(self) -> bool:
        """Whether every line of the holdout is new to both, so that a picture of the whole may show both."""
        return bool(self.unseen.all())


def beside(champion: Package, rows: pl.DataFrame, mine: Answers, confidence: float) -> Beside:
    """Compare as the standards do. Shape: rows (n), the holdout; mine, this version's answers to it."""
    until = knows_until(champion.card)
    unseen = (rows["ordered_at"] > until).to_numpy()
    if not unseen.any():
        return Beside(until, unseen, None)
    ours, theirs = mine.of(unseen), answers(champion, rows.filter(unseen))
    excess = ours.lines.losses - theirs.lines.losses
    compared = _compared(ours, theirs, confidence)
    return Beside(until, unseen, Shared(theirs, excess, compared, _disagreement(ours, theirs)))


def _compared(ours: Answers, theirs: Answers, confidence: float) -> list[Compared]:
    mine, champions = ([one.of(lines) for one in MEASURES] for lines in (ours.lines, theirs.lines))
    differences = [weighted.less(one, other) for one, other in zip(mine, champions, strict=True)]
    columns = (
        [value for one in mine for value in values(one, len(ours.lines))],
        [value for one in champions for value in values(one, len(ours.lines))],
        [found for [found] in estimates(ours.lines.customers, differences, confidence)],
    )
    return [Compared(*row) for row in zip(MEASURES, *columns, strict=True)]


def _disagreement(ours: Answers, theirs: Answers) -> Disagreement:
    differ = ours.steps != theirs.steps
    kept = differ & ours.lines.kept
    return Disagreement(
        lines=int(differ.sum()),
        kept=int(kept.sum()),
        right=int(np.sum(kept & ours.lines.hit)),
        champion_right=int(np.sum(kept & theirs.lines.hit)),
    )
