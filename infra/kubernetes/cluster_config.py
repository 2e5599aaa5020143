"""The environment's own files and its cluster's, as the ConfigMap that every pod reads."""

import json
import tempfile
from pathlib import Path

import yaml

from infra.kubernetes.cluster import Cluster
from infra.kubernetes.names import CONFIG
from infra.kubernetes.pod import Json, labels
from libs.base.checked_yaml import laid_over, read_file
from libs.base.config_files import SETTINGS_FILE, layers
from libs.base.environment import Environment, load_environment
from libs.base.errors import DataError


def config_map(cluster: Cluster) -> Json:
    """One key a file. Its name does not change with its content: pods see new content within a minute, and a new number
    of replicas starts no new cluster.

    Raises:
        DataError: the environment is a branch's, whose files are on one machine only.
    """
    folder, *over = layers(cluster.environment)
    if over:
        raise DataError(
            f"environment {cluster.environment!r} was made by `fitwave env create`, and is on this machine only. "
            f"For one on a cluster, commit its files as {folder.with_name(cluster.environment)}"
        )
    settings = laid_over(read_file(folder / SETTINGS_FILE).values, cluster.choices.settings)
    markets = {name: (folder / "markets" / f"{name}.yaml").read_text(encoding="utf-8") for name in cluster.markets}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG, "labels": labels(cluster, "config")},
        "data": {
            "cluster": json.dumps(cluster.model_dump(mode="json"), indent=1) + "\n",
            "environment": yaml.safe_dump(settings, sort_keys=False),
            **{f"market.{name}": text for name, text in markets.items()},
        },
    }


def environment_on(cluster: Cluster) -> Environment:
    """The environment as the pods will read it.

    Raises:
        DataError: with the cluster's settings it breaks the schema.
    """
    data = config_map(cluster)["data"]
    with tempfile.TemporaryDirectory(prefix="fitwave-config-") as root:
        folder = Path(root) / cluster.environment
        (folder / "markets").mkdir(parents=True)
        (folder / SETTINGS_FILE).write_text(data["environment"], encoding="utf-8")
        for name in cluster.markets:
            (folder / "markets" / f"{name}.yaml").write_text(data[f"market.{name}"], encoding="utf-8")
        return load_environment(cluster.environment, Path(root))
