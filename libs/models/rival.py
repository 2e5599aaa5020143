"""The champion on a challenger's holdout, on those lines that it has not seen either."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.base.errors import DataError
from libs.features.splits import CALIBRATION, TRAIN
from libs.models.evaluation import Evaluation, evaluate
from libs.models.package import Card, Package


@dataclass(frozen=True)
class Rival:
    """The champion beside a challenger.

    `knows_until`: the last order it was trained or calibrated on. `unseen`: which lines of the holdout are later, (n,).
    `evaluation`: the champion on these, in their order; null where there is none.
    """

    knows_until: datetime
    unseen: npt.NDArray[np.bool_]
    evaluation: Evaluation | None


def evaluate_champion(champion: Package, holdout: pl.DataFrame) -> Rival:
    """Measure the champion on the lines of a holdout, (n), that neither model has learnt from.

    The challenger has not seen any of them. The champion was trained in an earlier week, with windows that may have
    been cut otherwise, or in a later one, when an old week is run again.
    """
    until = knows_until(champion.card)
    unseen = (holdout["ordered_at"] > until).to_numpy()
    return Rival(until, unseen, evaluate(champion, holdout.filter(unseen)) if unseen.any() else None)


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
