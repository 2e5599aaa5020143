"""The elastic engine: xgboost-ray on several actors, which goes on when one dies and takes its replacement back."""

import json
import os
import shutil
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt
import ray.util
import xgboost as xgb
import xgboost_ray.main
from xgboost.tracker import RabitTracker
from xgboost_ray import RayDMatrix, RayFileType, RayParams

from libs.base.market import Training
from libs.features.assembly import FEATURES
from libs.models.dataset import examples
from libs.models.examples import OUTCOME, ROWS
from libs.models.ordinal import booster_parameters
from libs.models.outcomes import beyond
from libs.models.training import Fit

_LABELS = ("beyond_small", "beyond_fit")
_SHARDS_PER_ACTOR = 2
# How often an actor may be lost over the whole run before it counts as broken.
_MAX_ACTOR_RESTARTS = 5
# How often it is looked whether a lost actor can be had again; by default xgboost-ray lets half a minute pass.
_LOOK_FOR_ACTORS, _LOOK_FOR_ACTORS_S = "RXGB_ELASTIC_RESTART_RESOURCE_CHECK_S", "5"


def fit_elastic(actors: int, folder: Path) -> Fit:
    """An engine that trains on this many actors, from shards that are in `folder` while it does."""

    def fit(training_path: str, training: Training, threads: int) -> xgb.Booster:
        xgboost_ray.main._start_rabit_tracker = _start_tracker
        os.environ.setdefault(_LOOK_FOR_ACTORS, _LOOK_FOR_ACTORS_S)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            shards = _write_shards(training_path, folder, actors * _SHARDS_PER_ACTOR)
            # xgboost-ray knows one target at a time.
            return joined(*(_fit_target(label, shards, training, actors, threads) for label in _LABELS))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return fit


def _fit_target(label: str, shards: list[str], training: Training, actors: int, threads: int) -> xgb.Booster:
    booster: xgb.Booster = xgboost_ray.train(
        booster_parameters(training, threads),
        RayDMatrix(shards, label=label, columns=[*FEATURES, label], filetype=RayFileType.PARQUET),
        num_boost_round=training.rounds,
        ray_params=_ray_params(actors, threads),
    )
    return booster


def _ray_params(actors: int, threads: int) -> RayParams:
    return RayParams(
        num_actors=actors,
        cpus_per_actor=threads,
        elastic_training=actors > 1,
        max_failed_actors=actors - 1,
        max_actor_restarts=_MAX_ACTOR_RESTARTS,
        checkpoint_frequency=10,
    )


def _write_shards(training_path: str, folder: Path, shards: int) -> list[str]:
    """Parquet shards that the actors read for themselves."""
    # Shuffled, so that each actor sees all seasons; always alike, so that a version can be made again.
    labelled = examples(training_path).map_batches(_columns, batch_format="numpy")
    labelled.repartition(shards, shuffle=True).write_parquet(str(folder))
    return [str(path) for path in sorted(folder.glob("*.parquet"))]


def _columns(block: dict[str, Any]) -> dict[str, npt.NDArray[np.float32]]:
    """A column a feature and a target: it is by name that xgboost-ray reads a file."""
    rows, labels = block[ROWS], beyond(block[OUTCOME])
    features = {name: rows[:, column] for column, name in enumerate(FEATURES)}
    return features | {label: labels[:, column] for column, label in enumerate(_LABELS)}


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
