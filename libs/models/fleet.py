"""All due markets in one Ray Train run: the ranks of one worker group share the markets out.

A run per market costs 25 to 30 CPU-seconds of process starts each; one group pays that once. Markets go to ranks
largest first, so that no rank waits long for another. Big markets, and those of the elastic engine, are trained by all
workers together, one after the other, once the many small ones are done.

What a rank has finished stays, whatever happens to it next. A market during which something unforeseen happened, down
to the death of its rank, is left aside, so that its neighbours go on, and trained once more in a process of its own;
what fails there is its result.
"""

import logging
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.exceptions import TrainingFailedError

from libs.base.environment import Trainer
from libs.base.errors import FitwaveError
from libs.models.distributed import train_together
from libs.models.elastic import fit_elastic
from libs.models.market_training import Assignment, Trained, Untrained, read_result, refuse, told, train_market

log = logging.getLogger(__name__)

# A group of which a worker dies is started again this often; what is not trained by then is trained by itself.
_MAX_FAILURES = 2


def share_out(assignments: Sequence[Assignment], ranks: int) -> list[list[Assignment]]:
    """Give each rank its markets: the largest first, each to the rank with the fewest lines so far."""
    shares: list[list[Assignment]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for assignment in sorted(assignments, key=lambda one: (-one.lines, one.market.name)):
        rank = loads.index(min(loads))
        shares[rank].append(assignment)
        loads[rank] += assignment.lines
    return shares


def train_fleet(assignments: Sequence[Assignment], trainer: Trainer) -> dict[str, Trained | Untrained]:
    """Train these markets; the caller is connected to Ray.

    Writes into each assignment's folder the package and its distributions, `evaluation.json`, `quality.parquet`, the
    paired losses of challenger and champion on the holdout, and beside it `report.html`, the same for people. Markets
    whose folders have a result are not trained again.
    """
    todo = [one for one in assignments if not one.done]
    together = {one.market.name: one for one in todo if _is_for_all_workers(one, trainer)}
    _train_shared([one for one in todo if one.market.name not in together], trainer)
    for assignment in together.values():
        _train_with_all_workers(assignment, trainer)
    for assignment in todo:
        if not assignment.done:
            _train_alone(assignment, trainer)
    return {one.market.name: read_result(one) for one in assignments}


def _is_for_all_workers(assignment: Assignment, trainer: Trainer) -> bool:
    elastic = assignment.market.training.engine == "xgboost_ray"
    return elastic or (trainer.workers > 1 and assignment.lines >= trainer.distributed_from_lines)


@dataclass(frozen=True)
class _Begun:
    """Beside a market's folder: which run of the fleet has begun it. Who finds his own run there has died of it, or of
    a neighbour; of an earlier run it says nothing.
    """

    path: Path
    run: str

    @classmethod
    def of(cls, assignment: Assignment, run: str) -> "_Begun":
        return cls(assignment.folder.with_name(f"{assignment.folder.name}.begun"), run)

    def mark(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.run, encoding="utf-8")

    def by_this_run(self) -> bool:
        return self.path.exists() and self.path.read_text(encoding="utf-8") == self.run


def _train_shared(fleet: Sequence[Assignment], trainer: Trainer) -> None:
    """Train markets on the ranks of one group; those that were left aside have no result."""
    if not fleet:
        return
    run = uuid.uuid4().hex
    workers = min(trainer.workers, len(fleet))
    storage = fleet[0].folder.with_name(f"ray-train-{run}")
    group = DataParallelTrainer(
        _train_rank,
        train_loop_config={"shares": share_out(fleet, workers), "trainer": trainer, "run": run},
        scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(
            name="fleet", storage_path=str(storage), failure_config=FailureConfig(max_failures=_MAX_FAILURES)
        ),
    )
    try:
        group.fit()
    except TrainingFailedError as error:
        log.warning("the worker group of %s failed: %s", ", ".join(one.market.name for one in fleet), error)
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _train_rank(config: Mapping[str, Any]) -> None:
    """One rank: its share of markets."""
    trainer: Trainer = config["trainer"]
    for assignment in config["shares"][ray.train.get_context().get_world_rank()]:
        begun = _Begun.of(assignment, config["run"])
        if begun.by_this_run():
            continue
        begun.mark()
        try:
            train_market(assignment, trainer.threads, trainer.checkpoint_s)
        # The wall between markets: whatever breaks one may not take the others of its rank with it.
        except Exception:
            log.exception("market %s is left aside", assignment.market.name)


def _train_with_all_workers(assignment: Assignment, trainer: Trainer) -> None:
    """One market on several workers; what fails here, for all its engine's own attempts, is the market's result."""
    try:
        if assignment.market.training.engine == "xgboost_ray":
            shards = assignment.folder.with_name(f"{assignment.folder.name}.shards")
            train_market(assignment, trainer.threads, trainer.checkpoint_s, fit_elastic(trainer.workers, shards))
        else:
            train_together(assignment, trainer)
    except FitwaveError as error:
        refuse(assignment, str(error))
    except Exception as error:
        log.exception("market %s", assignment.market.name)
        refuse(assignment, told(error))


def _train_alone(assignment: Assignment, trainer: Trainer) -> None:
    log.warning("market %s is trained once more, by itself", assignment.market.name)
    alone = ray.remote(num_cpus=1, max_retries=0)(train_market)
    try:
        ray.get(alone.remote(assignment, trainer.threads, trainer.checkpoint_s))
    except RayError as error:
        refuse(assignment, f"training failed twice, the second time in a process of its own: {error}")
