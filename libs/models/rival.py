"""The champion on a challenger's holdout, on those lines that it has not seen either."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.base.errors import DataError
from libs.features.splits import CALIBRATION, TRAIN
from libs.models.evaluation import Metrics, measure
from libs.models.lines import Lines, answer
from libs.models.package import Card, Package


@dataclass(frozen=True)
class Rival:
    """The champion beside a challenger.

    `knows_until`: the last order it was trained or calibrated on. `unseen`: which lines of the holdout are later, (n,).
    `lines`: what the champion answers to these, in their order; there may be none.
    """

    knows_until: datetime
    unseen: npt.NDArray[np.bool_]
    lines: Lines

    @property
    def metrics(self) -> Metrics | None:
        """Its measures on the unseen lines; null where there are none."""
        return measure(self.lines) if len(self.lines) else None

    def of(self, rows: npt.NDArray[np.int64]) -> "Rival":
        """The champion beside a challenger on these lines of the holdout only."""
        unseen, place = self.unseen[rows], np.cumsum(self.unseen) - 1
        return replace(self, unseen=unseen, lines=self.lines.of(place[rows[unseen]]))


def evaluate_champion(champion: Package, holdout: pl.DataFrame, threads: int = 1) -> Rival:
    """Ask the champion about the lines of a holdout, (n), that neither model has learnt from.

    The challenger has not seen any of them. The champion was trained in an earlier week, with windows that may have
    been cut otherwise, or in a later one, when an old week is run again.
    """
    until = knows_until(champion.card)
    unseen = (holdout["ordered_at"] > until).to_numpy()
    return Rival(until, unseen, answer(champion, holdout.filter(unseen), threads))


def knows_until(card: Card) -> datetime:
    """The last order time in a package's train and calibration windows.

    Raises:
        DataError: the card does not say.
    """
    try:
        windows = card.training["windows"]
        return max(datetime.fromisoformat(windows[name]["until"]) for name in (TRAIN, CALIBRATION))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the champion of market {card.market!r} does not say which orders it was trained on ({error!r}), so no "
            f"holdout is known to be new to it. Roll back to a version that says so."
        ) from error
