"""How a group of ranks is made up, and what it does when one of them, or its whole node, is lost."""

import os
import shutil
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ray.train import RunConfig, ScalingConfig
from ray.train.v2.api.config import FailureConfig

# A group of which a rank dies is started again this often.
_MAX_FAILURES = 2
# Ray Train waits a minute for the resources of a group, and without a bound begins to wait again. A node that was lost
# may come back within this many minutes; after that, what is left of the cluster does the work that is left.
_MAX_WAITS = 5
# How often it is looked whether the ranks are done; the default, two seconds, is what a run of small markets waits for.
_LOOK_AT_RANKS, _LOOK_AT_RANKS_S = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5"
# An actor per run that looks out for nodes about to be taken away. A group survives the loss of a node anyway; where
# that is common, set it to 1.
_WATCH_FOR_PREEMPTION = "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"


@dataclass(frozen=True)
class WorkerGroup:
    """What Ray Train is told of a group."""

    scaling: ScalingConfig
    run: RunConfig


@contextmanager
def worker_group(name: str, workers: int, beside: Path) -> Iterator[WorkerGroup]:
    """A group of so many ranks; what Ray Train writes stands beside a folder, and is removed with the group.

    Meanwhile Ctrl-C ends the group. Ray Train leaves it so, and it would do nothing any more in the whole process.
    """
    os.environ.setdefault(_LOOK_AT_RANKS, _LOOK_AT_RANKS_S)
    os.environ.setdefault(_WATCH_FOR_PREEMPTION, "0")
    storage = beside.with_name(f"ray-train-{uuid.uuid4().hex}")
    interrupted = signal.getsignal(signal.SIGINT)
    failures = FailureConfig(max_failures=_MAX_FAILURES, controller_failure_limit=_MAX_WAITS)
    try:
        yield WorkerGroup(
            ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
            RunConfig(name=name, storage_path=str(storage), failure_config=failures),
        )
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupted)
