"""Many small markets in one Ray Train run: the ranks of one worker group share them out.

A run per market costs 25 to 30 CPU-seconds of process starts each; one group pays that once. Markets go to ranks
largest first, so that no rank waits long for another.

What a rank has finished stays, whatever happens to it next. A market during which something unforeseen happened, down
to the death of its rank, is left aside, so that its neighbours go on.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray.train
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.exceptions import TrainingFailedError

from libs.base.environment import Trainer
from libs.features.wall import walled
from libs.models.assignment import Assignment
from libs.models.worker_group import worker_group

log = logging.getLogger(__name__)


def share_out(assignments: Sequence[Assignment], ranks: int) -> list[list[Assignment]]:
    """Give each rank its markets: the largest first, each to the rank with the fewest lines so far."""
    shares: list[list[Assignment]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for assignment in sorted(assignments, key=lambda one: (-one.lines, one.market.name)):
        rank = loads.index(min(loads))
        shares[rank].append(assignment)
        loads[rank] += assignment.lines
    return shares


@dataclass(frozen=True)
class _Begun:
    """Beside a market's folder: which run of the fleet has begun it. Who finds his own run there has died of it, or of
    a neighbour; of an earlier run it says nothing.
    """

    path: Path
    run: str

    @classmethod
    def of(cls, assignment: Assignment, run: str) -> "_Begun":
        return cls(assignment.beside("begun"), run)

    def mark(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.run, encoding="utf-8")

    def by_this_run(self) -> bool:
        return self.path.exists() and self.path.read_text(encoding="utf-8") == self.run


def train_shared(fleet: Sequence[Assignment], trainer: Trainer) -> None:
    """Train markets on the ranks of one group; those that were left aside have no result.

    The caller is connected to Ray.
    """
    if not fleet:
        return
    run = uuid.uuid4().hex
    workers = min(trainer.workers, len(fleet))
    with worker_group("fleet", workers, fleet[0].folder) as group:
        ranks = DataParallelTrainer(
            _train_rank,
            train_loop_config={"shares": share_out(fleet, workers), "trainer": trainer, "run": run},
            scaling_config=group.scaling,
            run_config=group.run,
        )
        try:
            ranks.fit()
        except TrainingFailedError as error:
            log.warning("the worker group of %s failed: %s", ", ".join(one.market.name for one in fleet), error)


def _train_rank(config: Mapping[str, Any]) -> None:
    """One rank: its share of markets."""
    # Only ranks need it, each for itself: the controller starts sooner without.
    from libs.models.market_training import train_market

    trainer: Trainer = config["trainer"]
    for assignment in config["shares"][ray.train.get_context().get_world_rank()]:
        begun = _Begun.of(assignment, config["run"])
        if begun.by_this_run():
            continue
        begun.mark()
        # Whatever breaks one market may not take the others of its rank with it: without a result, it is left aside.
        walled(assignment.market.name, partial(train_market, assignment, trainer.threads, trainer.checkpoint_s))
