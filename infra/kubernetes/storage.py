"""Where what must not be lost is kept: the environment's home, which all pods share, and MLflow's disk."""

from infra.kubernetes.cluster import Cluster
from infra.kubernetes.names import HOME_CLAIM, MLFLOW_CLAIM
from infra.kubernetes.pod import USER, Json, labels

# infra/kubernetes/platform has it, for the whole cluster.
BLOCK_CLASS = "fitwave-block"
_MLFLOW_GIB = 10


def storage(cluster: Cluster) -> list[Json]:
    """The home holds the ledger, model packages, reports and the pair log's secret: many pods write it, so it is a
    network file system, and it outlives its claim.
    """
    own_class = cluster.namespace
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": own_class, "labels": labels(cluster, "storage")},
            "provisioner": "efs.csi.aws.com",
            "parameters": {
                "provisioningMode": "efs-ap",
                "fileSystemId": cluster.provisioned.file_system_id,
                "directoryPerms": "700",
                "uid": str(USER),
                "gid": str(USER),
                "basePath": f"/{cluster.environment}",
            },
            # A list of entries must be read as it is now: the ledger refuses whoever comes late by what it finds.
            "mountOptions": ["tls", "noac"],
            "reclaimPolicy": "Retain",
            "volumeBindingMode": "Immediate",
        },
        _claim(cluster, HOME_CLAIM, own_class, "ReadWriteMany", cluster.choices.volume_gib),
        _claim(cluster, MLFLOW_CLAIM, BLOCK_CLASS, "ReadWriteOnce", _MLFLOW_GIB),
    ]


def _claim(cluster: Cluster, name: str, storage_class: str, mode: str, gib: int) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "labels": labels(cluster, "storage")},
        "spec": {
            "accessModes": [mode],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": f"{gib}Gi"}},
        },
    }
