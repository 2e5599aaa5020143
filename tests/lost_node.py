"""A fleet on two nodes of a cluster of its own, one of which is lost while both train."""

import logging
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from libs.base.environment import Trainer
from libs.base.market import Market, Training
from libs.models.assignment import Assignment
from libs.models.fleet import train_fleet

# Long enough to be killed in the middle of.
LONG = Training(rounds=600, learning_rate=0.02, min_child_weight=5)


def main(training_path: str, folder: str) -> None:
    """Train two markets, one on each node, and lose the second node once both have a checkpoint."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, logging_level=logging.WARNING)
    fleet = [
        Assignment(Market(name=name, training=LONG), training_path, Path(folder) / name / "model", 1_000)
        for name in ("de", "us")
    ]

    def lose() -> None:
        while not all(one.checkpoint.exists() for one in fleet):
            time.sleep(0.05)
        cluster.remove_node(second, allow_graceful=False)

    threading.Thread(target=lose, daemon=True).start()
    train_fleet(fleet, Trainer(workers=2, checkpoint_s=0.2))
    assert sum(node["Alive"] for node in ray.nodes()) == 1
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
