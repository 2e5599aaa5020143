"""A big market in a Ray Train run of its own: each rank fits the one booster on a shard of the examples.

XGBoost adds the ranks' histograms up, so that all of them grow the same trees.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train
from ray.data import ExecutionOptions
from ray.train import DataConfig
from ray.train.v2.api.exceptions import TrainingFailedError
from ray.train.xgboost import XGBoostTrainer

from libs.base.environment import Trainer
from libs.base.errors import TransientError
from libs.base.market import Training
from libs.models.assignment import Assignment
from libs.models.worker_group import worker_group

_EXAMPLES = "examples"


def train_together(assignment: Assignment, trainer: Trainer) -> None:
    """Train one market on all workers, into its folder.

    Raises:
        DataError: a split has too few lines, or an outcome never occurs.
        TransientError: the worker group died more often than it is started again, or cannot be had.
    """
    from libs.models.dataset import examples
    from libs.models.training import require_lines

    require_lines(assignment.market, assignment.training_path)
    with worker_group(assignment.market.name, trainer.workers, assignment.folder) as group:
        ranks = XGBoostTrainer(
            _train_rank,
            train_loop_config={"assignment": assignment, "trainer": trainer},
            datasets={_EXAMPLES: examples(assignment.training_path)},
            # The same shards every time, so that a version can be made again.
            dataset_config=DataConfig(execution_options=ExecutionOptions(preserve_order=True)),
            scaling_config=group.scaling,
            run_config=group.run,
        )
        try:
            ranks.fit()
        except TrainingFailedError as error:
            raise TransientError(
                f"the {trainer.workers} workers of market {assignment.market.name!r} died: {error}"
            ) from error


def _train_rank(config: Mapping[str, Any]) -> None:
    # Only ranks need these, each for itself: the controller and the driver start sooner without.
    import xgboost as xgb

    from libs.models.checkpoint import Checkpoint
    from libs.models.market_training import train_market
    from libs.models.ordinal import boost
    from libs.models.shards import PAGE_ROWS, Shard

    assignment: Assignment = config["assignment"]
    trainer: Trainer = config["trainer"]
    first = ray.train.get_context().get_world_rank() == 0
    checkpoint = Checkpoint(assignment.checkpoint, trainer.checkpoint_s, keeps=first)
    with tempfile.TemporaryDirectory(prefix="fitwave-shard-") as folder:
        batches = ray.train.get_dataset_shard(_EXAMPLES).iter_batches(batch_size=PAGE_ROWS, batch_format="numpy")
        shard = Shard.of(batches, Path(folder), trainer.rank_memory_gib * 2**30)
        booster = boost(shard.matrix(), assignment.market.training, trainer.threads, checkpoint)
    # The others need not wait until the model has been evaluated.
    xgb.collective.finalize()
    if first:

        def fitted(training_path: str, training: Training, threads: int) -> xgb.Booster:
            return booster

        # The other ranks of this node are done, and leave it their cores.
        threads = trainer.threads * ray.train.get_context().get_local_world_size()
        train_market(assignment, threads, trainer.checkpoint_s, fitted)
