"""What every pod of an environment has in common: its image, settings, secrets, folders, and what it may not do."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from infra.kubernetes.cluster import FILE_VARIABLE, Cluster, Machine
from infra.kubernetes.names import ACCOUNT, CONFIG, HOME_CLAIM, RAY_SECRET, RAY_SERVICE, SECRET
from infra.stack.process_settings import process_settings
from libs.models.ray_service import IMAGE_VARIABLE, SERVICE_VARIABLE

Json = dict[str, Any]

# What the image has (infra/container/Dockerfile).
USER = 10_001
CODE = PurePosixPath("/opt/fitwave")
_STATE, _CONFIG, _SECRETS, _TEMPORARY = "/var/lib/fitwave", "/etc/fitwave", "/run/secrets/fitwave", "/tmp"
TOKEN_KEY = "auth_token"
TOKEN_FILE = f"{_SECRETS}/ray/{TOKEN_KEY}"
# The URL is a reference, and the variable that it names comes from the Secret, so that no document holds the password.
_REDIS_VARIABLE = "FITWAVE_SECRET_REDIS_URL"
_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def labels(cluster: Cluster, component: str) -> dict[str, str]:
    """What says whose a pod is, and what it does."""
    return {
        "app.kubernetes.io/part-of": "fitwave",
        "app.kubernetes.io/component": component,
        "fitwave/environment": cluster.environment,
    }


# Nodes that come and go to save money leave such a pod its time: what it does is done anew elsewhere, at some cost.
UNDISTURBED = {"karpenter.sh/do-not-disrupt": "true"}


def template(
    cluster: Cluster,
    component: str,
    container: Json,
    *,
    account: str = ACCOUNT,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Json:
    """A pod of one container; `spec` adds to the pod's, and its volumes to those that every pod has."""
    volumes = [*_volumes(cluster), *spec.pop("volumes", [])]
    metadata: Json = {"labels": labels(cluster, component)}
    return {
        "metadata": metadata | ({"annotations": dict(annotations)} if annotations else {}),
        "spec": {
            "serviceAccountName": account,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
            **spec,
        },
    }


def container(cluster: Cluster, name: str, machine: Machine, **more: Any) -> Json:
    """A container of the environment's image; `more` adds to it, its `env` and `volumeMounts` to the common ones."""
    extra = {variable: {"value": value} for variable, value in more.pop("env", {}).items()}
    memory = f"{machine.memory_gib}Gi"
    return {
        "name": name,
        "image": cluster.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": variable, **value} for variable, value in (_variables(cluster) | extra).items()],
        "resources": {
            "requests": {"cpu": _cpus(machine), "memory": memory, "ephemeral-storage": "2Gi"},
            # A CPU limit would halt a replica in the middle of an answer.
            "limits": {"memory": memory, "ephemeral-storage": "20Gi"},
        },
        "securityContext": RESTRICTED,
        "volumeMounts": [*_mounts(), *more.pop("volumeMounts", [])],
        **more,
    }


RESTRICTED: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spread(cluster: Cluster, component: str) -> list[Json]:
    """Pods of a kind are in as many zones and on as many nodes as there are."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels(cluster, component)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _cpus(machine: Machine) -> str:
    return f"{round(machine.cpus * 1000)}m"


def _variables(cluster: Cluster) -> dict[str, Json]:
    head = f"{RAY_SERVICE}-head-svc.{cluster.namespace}.svc"
    plain = {
        "FITWAVE_ENVIRONMENT": cluster.environment,
        "FITWAVE_CONFIG": f"{_CONFIG}/environments",
        "FITWAVE_STATE_DIR": _STATE,
        "FITWAVE_REDIS_URL": f"env:{_REDIS_VARIABLE}",
        "FITWAVE_MLFLOW_URI": f"http://mlflow.{cluster.namespace}.svc:5000",
        "FITWAVE_RAY_ADDRESS": f"{head}:6379",
        "FITWAVE_RAY_DASHBOARD_URL": f"http://{head}:8265",
        "FITWAVE_LAKE_URI": cluster.provisioned.lake_uri,
        SERVICE_VARIABLE: f"{cluster.namespace}/{RAY_SERVICE}",
        IMAGE_VARIABLE: cluster.image,
        FILE_VARIABLE: f"{_CONFIG}/cluster.json",
        "AWS_REGION": cluster.provisioned.region,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": TOKEN_FILE,
        # Git asks here for the password of `code.remote`, if the Secret has one.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": f"store --file={_SECRETS}/git/credentials",
        "HOME": _TEMPORARY,
        "PYTHONPATH": str(CODE),
        **process_settings(),
    }
    redis = {"valueFrom": {"secretKeyRef": {"name": SECRET, "key": "redis-url"}}}
    return {name: {"value": value} for name, value in plain.items()} | {_REDIS_VARIABLE: redis}


def _volumes(cluster: Cluster) -> list[Json]:
    credentials = [{"key": "git-credentials", "path": "credentials"}]
    return [
        {"name": "home", "persistentVolumeClaim": {"claimName": HOME_CLAIM}},
        {"name": "config", "configMap": {"name": CONFIG, "items": _config_files(cluster)}},
        {"name": "ray-token", "secret": {"secretName": RAY_SECRET, "defaultMode": 0o440}},
        {
            "name": "git",
            "secret": {"secretName": SECRET, "items": credentials, "optional": True, "defaultMode": 0o440},
        },
        {"name": "temporary", "emptyDir": {"sizeLimit": "20Gi"}},
    ]


def _config_files(cluster: Cluster) -> list[Json]:
    folder = f"environments/{cluster.environment}"
    markets = [{"key": f"market.{name}", "path": f"{folder}/markets/{name}.yaml"} for name in cluster.markets]
    return [
        {"key": "cluster", "path": "cluster.json"},
        {"key": "environment", "path": f"{folder}/environment.yaml"},
        *markets,
    ]


def _mounts() -> list[Json]:
    return [
        {"name": "home", "mountPath": _STATE},
        {"name": "config", "mountPath": _CONFIG, "readOnly": True},
        {"name": "ray-token", "mountPath": f"{_SECRETS}/ray", "readOnly": True},
        {"name": "git", "mountPath": f"{_SECRETS}/git", "readOnly": True},
        {"name": "temporary", "mountPath": _TEMPORARY},
    ]


def redis_trust() -> dict[str, str]:
    """What Ray's own client of Redis trusts; Python's finds the same by itself."""
    return {"RAY_REDIS_CA_CERT": _CA_BUNDLE}
