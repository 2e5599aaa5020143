"""A boosting in which an actor of xgboost-ray is killed, and what each round saw of it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xgboost as xgb

# After how many rounds the actor is killed: xgboost-ray has had a checkpoint by then.
_KILLED_AFTER = 25
# Who is left goes on to here at once, so that the next checkpoint is of one actor's rounds. From here on its rounds
# take as long as those of a big market, beside which a new actor is soon there; else it would be done before that.
_ALONE_AT_ONCE, _ALONE_S = 35, 2.0


@dataclass(frozen=True)
class Round:
    """A round that was done: how many the booster has had with it, and by how many actors it was."""

    number: int
    actors: int


class LosesAnActor(xgb.callback.TrainingCallback):
    """Kills the second of the actors that it runs in, once; who is left takes its time, and every round is noted."""

    def __init__(self, folder: Path) -> None:
        self._killed, self._noted = folder / "killed", folder / "rounds"

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: Any) -> bool:
        number, actors = model.num_boosted_rounds(), xgb.collective.get_world_size()
        if xgb.collective.get_rank() == 0:
            with self._noted.open("a", encoding="utf-8") as file:
                print(number, actors, file=file)
        elif number == _KILLED_AFTER and not self._killed.exists():
            self._killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if actors == 1 and number > _ALONE_AT_ONCE:
            time.sleep(_ALONE_S)
        return False

    def rounds(self) -> list[Round]:
        """What was noted, in order; rounds since the last checkpoint are done again by whoever goes on."""
        lines = self._noted.read_text(encoding="utf-8").splitlines()
        return [Round(*map(int, line.split())) for line in lines]
