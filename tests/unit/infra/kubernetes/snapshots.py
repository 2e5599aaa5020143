"""`python -m tests.unit.infra.kubernetes.snapshots` renders the looked-at manifests again: look at the difference."""

import os
import tempfile
from pathlib import Path

import yaml

from infra.kubernetes.cluster_config import environment_on
from infra.kubernetes.manifests import write
from infra.kubernetes.ray_service import ray_service
from tests.unit.infra.kubernetes.made_up import SERVICE_DOCUMENT, cluster_in

RENDERED = Path(__file__).parent / "rendered"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FITWAVE_CONFIG"] = f"{folder}/config"
        cluster = cluster_in(Path(folder))
        environment = environment_on(cluster)
        write(RENDERED, cluster, environment)
        service = ray_service(cluster, environment, {})
    service["spec"]["serveConfigV2"] = SERVICE_DOCUMENT
    (RENDERED / "ray_service.yaml").write_text(yaml.safe_dump(service, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
