"""A version beside the champion, on the lines of the holdout that neither has learnt from."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from libs.models import weighted
from libs.models.bootstrap import Floats
from libs.models.lines import Lines
from libs.models.report.estimates import Estimate, estimates, values
from libs.models.report.measures import MEASURES, Measure
from libs.models.rival import Rival
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

    champion: Lines
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


def beside(rival: Rival, mine: Lines, confidence: float) -> Beside:
    """Compare as the standards do. Shape: mine (n), this version's answers to the holdout."""
    if not rival.unseen.any():
        return Beside(rival.knows_until, rival.unseen, None)
    ours, theirs = mine.of(rival.unseen), rival.lines
    excess = ours.losses - theirs.losses
    compared = _compared(ours, theirs, confidence)
    return Beside(rival.knows_until, rival.unseen, Shared(theirs, excess, compared, _disagreement(ours, theirs)))


def _compared(ours: Lines, theirs: Lines, confidence: float) -> list[Compared]:
    mine, champions = ([one.of(lines) for one in MEASURES] for lines in (ours, theirs))
    differences = [weighted.less(one, other) for one, other in zip(mine, champions, strict=True)]
    columns = (
        [value for one in mine for value in values(one, len(ours))],
        [value for one in champions for value in values(one, len(ours))],
        [found for [found] in estimates(ours.customers, differences, confidence)],
    )
    return [Compared(*row) for row in zip(MEASURES, *columns, strict=True)]


def _disagreement(ours: Lines, theirs: Lines) -> Disagreement:
    differ = ours.steps != theirs.steps
    kept = differ & ours.kept
    return Disagreement(
        lines=int(differ.sum()),
        kept=int(kept.sum()),
        right=int(np.sum(kept & ours.hit)),
        champion_right=int(np.sum(kept & theirs.hit)),
    )
