"""Boosting that can be taken up again: every so many seconds the booster so far is kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xgboost as xgb
from xgboost.callback import TrainingCallback

_TELL_EVERY_S = 1.0


@dataclass(frozen=True)
class Checkpoint:
    """Where the booster of one training is kept, and how often.

    By time and not by rounds: a round takes a millisecond or a minute, and what a kill may cost is a time. Of ranks
    that train one booster together all go on from it, and one `keeps` it.
    """

    path: Path
    every_s: float = 30.0
    keeps: bool = True

    def booster(self) -> xgb.Booster | None:
        """The booster as it was last kept, if one was."""
        return xgb.Booster(model_file=self.path) if self.path.exists() else None

    def clear(self) -> None:
        """Forget it: the training has ended."""
        self.path.unlink(missing_ok=True)
        _rounds(self.path).unlink(missing_ok=True)

    def keepers(self) -> "list[TrainingCallback]":
        """What keeps the booster while it is trained, if this rank does."""
        return [Keeper(self)] if self.keeps else []


def rounds_done(checkpoint: Path) -> int:
    """How many rounds a training has done that keeps its booster there, as of a second ago."""
    try:
        return int(_rounds(checkpoint).read_text(encoding="utf-8") or 0)
    except FileNotFoundError:
        return 0


def _rounds(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".rounds")


class Keeper(TrainingCallback):
    """Keeps the booster when it is time to."""

    def __init__(self, checkpoint: Checkpoint, now: Callable[[], float] = time.monotonic) -> None:
        self._checkpoint = checkpoint
        self._now = now
        self._last = self._told = now()

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: TrainingCallback.EvalsLog) -> bool:
        """Never ends the training."""
        if self._now() - self._told >= _TELL_EVERY_S:
            _rounds(self._checkpoint.path).write_text(str(model.num_boosted_rounds()), encoding="utf-8")
            self._told = self._now()
        if self._now() - self._last >= self._checkpoint.every_s:
            draft = self._checkpoint.path.with_suffix(".draft.ubj")
            model.save_model(draft)
            draft.replace(self._checkpoint.path)
            self._last = self._now()
        return False
