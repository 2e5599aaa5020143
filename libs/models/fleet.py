"""All due markets, each trained the way that its size and its engine ask for.

Most are shared out to the ranks of one worker group. Big ones, and those of the elastic engine, are trained by all
workers together, one after the other, once the many small ones are done. A market that was left aside is trained once
more in a process of its own; what fails there is its result.
"""

import logging
from collections.abc import Sequence
from functools import partial

import ray
from ray.exceptions import RayError

from libs.base.environment import Trainer
from libs.base.progress import Progress, Silent
from libs.features.wall import Fault, walled
from libs.models.assignment import Assignment
from libs.models.distributed import train_together
from libs.models.fleet_progress import told_of
from libs.models.market_training import Trained, Untrained, read_result, refuse, train_market
from libs.models.shared_group import train_shared

log = logging.getLogger(__name__)


def train_fleet(
    assignments: Sequence[Assignment], trainer: Trainer, progress: Progress | None = None
) -> dict[str, Trained | Untrained]:
    """Train these markets; the caller is connected to Ray.

    Writes into each assignment's folder the package and its distributions, `evaluation.json`, `quality.parquet`, the
    paired losses of challenger and champion on the holdout, and beside it `report.html`, the same for people. Markets
    whose folders have a result are not trained again.
    """
    todo = [one for one in assignments if not one.done]
    together = {one.market.name: one for one in todo if _is_for_all_workers(one, trainer)}
    with told_of(todo, progress or Silent()):
        train_shared([one for one in todo if one.market.name not in together], trainer)
        for assignment in together.values():
            _train_with_all_workers(assignment, trainer)
        for assignment in todo:
            if not assignment.done:
                _train_alone(assignment, trainer)
    return {one.market.name: read_result(one) for one in assignments}


def _is_for_all_workers(assignment: Assignment, trainer: Trainer) -> bool:
    elastic = assignment.market.training.engine == "xgboost_ray"
    return elastic or (trainer.workers > 1 and assignment.lines >= trainer.distributed_from_lines)


def _train_with_all_workers(assignment: Assignment, trainer: Trainer) -> None:
    """One market on several workers; what fails here, for all its engine's own attempts, is the market's result."""
    elastic = assignment.market.training.engine == "xgboost_ray"
    train = partial(_train_elastic if elastic else train_together, assignment, trainer)
    done = walled(assignment.market.name, train)
    if isinstance(done, Fault):
        refuse(assignment, done.reason)


def _train_elastic(assignment: Assignment, trainer: Trainer) -> None:
    # Only markets of this engine need xgboost-ray: every other run starts sooner without.
    from libs.models.elastic import fit_elastic

    fit = fit_elastic(trainer.workers, assignment.beside("shards"))
    train_market(assignment, trainer.threads, trainer.checkpoint_s, fit)


def _train_alone(assignment: Assignment, trainer: Trainer) -> None:
    log.warning("market %s is trained once more, by itself", assignment.market.name)
    alone = ray.remote(num_cpus=1, max_retries=0)(train_market)
    try:
        ray.get(alone.remote(assignment, trainer.threads, trainer.checkpoint_s))
    except RayError as error:
        refuse(assignment, f"training failed twice, the second time in a process of its own: {error}")
