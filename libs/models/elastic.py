"""The elastic engine: xgboost-ray on several actors, which goes on when one dies and takes its replacement back."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray.util
import xgboost as xgb
import xgboost_ray.main
from xgboost.tracker import RabitTracker
from xgboost_ray import RayDMatrix, RayFileType, RayParams

from libs.base.market import Training
from libs.features.assembly import Matrix
from libs.models.ordinal import (
    MODEL_FEATURES,
    Codes,
    FitBooster,
    booster_parameters,
    check_outcomes,
    expand,
    expand_outcomes,
)

_LABEL = "beyond"
_SHARDS_PER_ACTOR = 2
# How often an actor may be lost over the whole run before it counts as broken.
_MAX_ACTOR_RESTARTS = 5


def fit_elastic(actors: int) -> FitBooster:
    """A fit function with the signature of `fit_booster` that trains on this many actors."""

    def fit(rows: Matrix, outcomes: Codes, training: Training, threads: int) -> xgb.Booster:
        check_outcomes(outcomes)
        xgboost_ray.main._start_rabit_tracker = _start_tracker
        with TemporaryDirectory(prefix="fitwave-shards-") as folder:
            shards = _write_shards(rows, outcomes, Path(folder), actors * _SHARDS_PER_ACTOR)
            data = RayDMatrix(shards, label=_LABEL, filetype=RayFileType.PARQUET)
            parameters = booster_parameters(training, threads)
            booster: xgb.Booster = xgboost_ray.train(
                parameters, data, num_boost_round=training.rounds, ray_params=_ray_params(actors, threads)
            )
            return booster

    return fit


def _ray_params(actors: int, threads: int) -> RayParams:
    return RayParams(
        num_actors=actors,
        cpus_per_actor=threads,
        elastic_training=actors > 1,
        max_failed_actors=actors - 1,
        max_actor_restarts=_MAX_ACTOR_RESTARTS,
        checkpoint_frequency=10,
    )


def _write_shards(rows: Matrix, outcomes: Codes, folder: Path, shards: int) -> list[str]:
    """Parquet shards that the actors read for themselves, so that the driver's copy can go."""
    expanded, beyond = expand(rows), expand_outcomes(outcomes)
    # A fixed shuffle: each actor should see both thresholds and all seasons.
    order = np.random.default_rng(0).permutation(len(expanded))
    paths = []
    for index, part in enumerate(np.array_split(order, shards)):
        columns = {name: pa.array(expanded[part, column]) for column, name in enumerate(MODEL_FEATURES)}
        path = folder / f"shard-{index:04d}.parquet"
        pq.write_table(pa.table(columns | {_LABEL: pa.array(beyond[part])}), path)
        paths.append(str(path))
    return paths


def _start_tracker(num_workers: int) -> tuple[Any, dict[str, Any]]:
    """Start the tracker that xgboost's workers meet at.

    NOTE: xgboost-ray 0.1.19 calls the tracker as xgboost had it before 2.1. This stands in for that one function;
    the signature and what is returned are xgboost-ray's.
    """
    tracker = RabitTracker(n_workers=num_workers, host_ip=str(ray.util.get_node_ip_address()), sortby="task")
    tracker.start()
    waiting = Thread(target=tracker.wait_for, daemon=True)
    waiting.start()
    return _Tracker(waiting), tracker.worker_args()


class _Tracker:
    """What xgboost-ray expects of its tracker process: a thread that can be joined and ended."""

    def __init__(self, thread: Thread) -> None:
        self._thread = thread
        self.pid = os.getpid()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def terminate(self) -> None:
        """The thread ends with its tracker, which ends with its workers; as a daemon it never outlives the run."""
