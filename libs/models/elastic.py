"""The elastic engine: xgboost-ray on several actors, which goes on when one dies and takes its replacement back."""

import json
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
from libs.features.assembly import FEATURES, Matrix
from libs.models.ordinal import Codes, FitBooster, beyond, booster_parameters, check_outcomes

_LABELS = ("beyond_small", "beyond_fit")
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
            # xgboost-ray knows one target at a time.
            of_target = []
            for label in _LABELS:
                data = RayDMatrix(shards, label=label, columns=[*FEATURES, label], filetype=RayFileType.PARQUET)
                of_target.append(
                    xgboost_ray.train(
                        booster_parameters(training, threads),
                        data,
                        num_boost_round=training.rounds,
                        ray_params=_ray_params(actors, threads),
                    )
                )
            return joined(*of_target)

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
    labels = beyond(outcomes)
    # A fixed shuffle: each actor should see all seasons.
    order = np.random.default_rng(0).permutation(len(rows))
    paths = []
    for index, part in enumerate(np.array_split(order, shards)):
        columns = {name: pa.array(rows[part, column]) for column, name in enumerate(FEATURES)}
        columns |= {label: pa.array(labels[part, column]) for column, label in enumerate(_LABELS)}
        path = folder / f"shard-{index:04d}.parquet"
        pq.write_table(pa.table(columns), path)
        paths.append(str(path))
    return paths


def joined(first: xgb.Booster, second: xgb.Booster) -> xgb.Booster:
    """One booster of two targets from two boosters of one target each and equally many rounds.

    Source: the schema of XGBoost's JSON model format, https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html.
    """
    model, other = (json.loads(bytes(one.save_raw("json"))) for one in (first, second))
    scores = [one["learner"]["learner_model_param"]["base_score"].strip("[]") for one in (model, other)]
    trees, others = (one["learner"]["gradient_booster"]["model"]["trees"] for one in (model, other))
    alternating = [tree for pair in zip(trees, others, strict=True) for tree in pair]
    model["learner"]["learner_model_param"] |= {"num_target": "2", "base_score": f"[{scores[0]},{scores[1]}]"}
    forest = model["learner"]["gradient_booster"]["model"]
    forest["trees"] = [tree | {"id": index} for index, tree in enumerate(alternating)]
    forest["tree_info"] = [index % 2 for index in range(len(alternating))]
    forest["iteration_indptr"] = list(range(0, len(alternating) + 1, 2))
    forest["gbtree_model_param"]["num_trees"] = str(len(alternating))
    booster = xgb.Booster()
    booster.load_model(bytearray(json.dumps(model).encode()))
    return booster


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
