"""Everything of an environment that is applied with kubectl: a kustomization of plain manifests."""

from pathlib import Path

import yaml

from infra.kubernetes.access import access
from infra.kubernetes.cluster import Cluster
from infra.kubernetes.cluster_config import config_map
from infra.kubernetes.names import GATEWAY_SERVICE, SERVING
from infra.kubernetes.network import network_policies
from infra.kubernetes.pod import Json, labels
from infra.kubernetes.ray_service import GATEWAY_PORT
from infra.kubernetes.storage import storage
from infra.kubernetes.workloads import deploy_job, mlflow, scheduled_jobs
from libs.base.environment import Environment

_HEADER = "# Made by `fitwave cluster render`: change the environment's or the cluster's file and render again.\n"


def manifests(cluster: Cluster, environment: Environment) -> dict[str, list[Json]]:
    """The manifests by file. The RayService is not among them: the Job in `deploy.yaml` makes it, since only in the
    cluster the ledger can be read, and with it who is champion now.
    """
    config = config_map(cluster)
    return {
        "namespace.yaml": [_namespace(cluster)],
        "access.yaml": access(cluster),
        "storage.yaml": storage(cluster),
        "config.yaml": [config],
        "network.yaml": network_policies(cluster),
        "mlflow.yaml": mlflow(cluster),
        "gateway.yaml": [_entrance(cluster), *_disruption_budgets(cluster)],
        "schedule.yaml": scheduled_jobs(cluster, environment),
        "deploy.yaml": [deploy_job(cluster, config)],
    }


def write(folder: Path, cluster: Cluster, environment: Environment) -> None:
    """Write them with their `kustomization.yaml`, for `kubectl apply -k` or as the base of one's own overlay."""
    folder.mkdir(parents=True, exist_ok=True)
    found = manifests(cluster, environment)
    for name, resources in found.items():
        (folder / name).write_text(_HEADER + yaml.safe_dump_all(resources, sort_keys=False), encoding="utf-8")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": cluster.namespace,
        "resources": sorted(found),
    }
    (folder / "kustomization.yaml").write_text(
        _HEADER + yaml.safe_dump(kustomization, sort_keys=False), encoding="utf-8"
    )


def _namespace(cluster: Cluster) -> Json:
    """In it no pod runs that asks for more than `restricted` allows."""
    modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    metadata = {"name": cluster.namespace, "labels": labels(cluster, "namespace") | modes}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _entrance(cluster: Cluster) -> Json:
    """The one way in: Terraform's load balancer, which ends TLS, sends to whatever pods KubeRay says answer now."""
    return {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": "gateway", "labels": labels(cluster, "gateway")},
        "spec": {
            "serviceRef": {"name": GATEWAY_SERVICE, "port": GATEWAY_PORT},
            "targetGroupARN": cluster.provisioned.target_group_arn,
            "targetType": "ip",
        },
    }


def _disruption_budgets(cluster: Cluster) -> list[Json]:
    """All serving pods but one stay while nodes are drained. Where there is one only, a budget would keep its node for
    ever; and of the head there is always one: it may go, since Redis has what it knows.
    """
    least = cluster.choices.serving.min - 1
    if least < 1:
        return []
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": SERVING, "labels": labels(cluster, SERVING)},
            "spec": {
                # Kubernetes takes nothing but a number for pods of an owner that it does not know.
                "minAvailable": least,
                "selector": {"matchLabels": labels(cluster, SERVING)},
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        }
    ]
