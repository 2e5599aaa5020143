"""What runs beside the RayService: the Job that deploys it, what is done by the clock, and MLflow."""

import hashlib
import json
from typing import Any

from apps.shadow.schedule import cron_jobs as looks
from apps.trainer.schedule import cron_jobs as weeks
from infra.kubernetes.cluster import Cluster, Machine
from infra.kubernetes.names import DEPLOY, DEPLOY_ACCOUNT, MLFLOW, MLFLOW_CLAIM, SCHEDULED
from infra.kubernetes.pod import Json, container, labels, template
from libs.base.environment import Environment

MLFLOW_PORT = 5000
_CLIENT = Machine(cpus=0.25, memory_gib=2)
# Reads windows of pairs and scores matured labels.
_LOOKER = Machine(cpus=1, memory_gib=4)
# An upgrade brings up a whole cluster beside the one that answers.
_DEPLOY_S = 3600
_DAY_S = 86_400


def deploy_job(cluster: Cluster, config: Json) -> Json:
    """Runs `fitwave cluster deploy` once for each image and each content of the config, by its name."""
    content = json.dumps([cluster.image, config["data"]], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:10]
    command = ["fitwave", "cluster", "deploy", "--environment", cluster.environment]
    deploys = container(cluster, DEPLOY, _CLIENT, command=command)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{DEPLOY}-{digest}", "labels": labels(cluster, DEPLOY)},
        "spec": {
            "backoffLimit": 10,
            "activeDeadlineSeconds": _DEPLOY_S,
            "ttlSecondsAfterFinished": 7 * _DAY_S,
            "template": template(cluster, DEPLOY, deploys, account=DEPLOY_ACCOUNT, restartPolicy="OnFailure"),
        },
    }


def scheduled_jobs(cluster: Cluster, environment: Environment) -> list[Json]:
    """The CronJobs that `fitwave trainer schedule kubernetes` and `fitwave shadow schedule kubernetes` print, with pods
    like all others here. The weekly ones only submit; the others change roles, and so speak to Kubernetes.

    Raises:
        DataError: a name is too long for Kubernetes.
    """
    weekly = [_scheduled(cluster, found, _CLIENT, 600, False) for found in weeks(environment, cluster.image)]
    return weekly + [_scheduled(cluster, found, _LOOKER, 3600, True) for found in looks(environment, cluster.image)]


def _scheduled(cluster: Cluster, found: Json, machine: Machine, at_most_s: int, changes_roles: bool) -> Json:
    spec = found["spec"]
    job = spec["jobTemplate"]["spec"]
    [runs] = job["template"]["spec"]["containers"]
    pod = template(
        cluster,
        SCHEDULED,
        container(cluster, runs["name"], machine, command=runs["command"]),
        automountServiceAccountToken=changes_roles,
        restartPolicy=job["template"]["spec"]["restartPolicy"],
    )
    pod["metadata"]["labels"] = found["metadata"]["labels"] | pod["metadata"]["labels"]
    timed = {"activeDeadlineSeconds": at_most_s, "ttlSecondsAfterFinished": _DAY_S}
    return found | {"spec": spec | {"jobTemplate": {"spec": job | timed | {"template": pod}}}}


def mlflow(cluster: Cluster) -> list[Json]:
    """The tracking server: one, on a disk of its own. While it is away nothing is registered or changes roles, and what
    is live goes on answering.
    """
    data = {"name": "data", "mountPath": "/data"}
    health: dict[str, Any] = {"httpGet": {"path": "/health", "port": MLFLOW_PORT}}
    command = ["mlflow", "server", "--host=0.0.0.0", f"--port={MLFLOW_PORT}", "--workers=1"]
    # Packages and reports are written by who registers them, to the folder that all pods share.
    command += ["--backend-store-uri=sqlite:////data/mlflow.db", "--no-serve-artifacts"]
    command += [f"--allowed-hosts=mlflow,mlflow.{cluster.namespace}.svc:{MLFLOW_PORT},localhost:*"]
    serves = container(
        cluster,
        MLFLOW,
        cluster.choices.mlflow,
        command=command,
        ports=[{"name": "http", "containerPort": MLFLOW_PORT, "protocol": "TCP"}],
        volumeMounts=[data],
        readinessProbe=health | {"periodSeconds": 10, "timeoutSeconds": 5},
        livenessProbe=health | {"periodSeconds": 20, "timeoutSeconds": 10, "failureThreshold": 6},
        startupProbe=health | {"periodSeconds": 5, "failureThreshold": 60},
    )
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": MLFLOW_CLAIM}}
    own = labels(cluster, MLFLOW)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": MLFLOW, "labels": own},
        "spec": {
            "replicas": 1,
            # Two at once would write one file.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": own},
            "template": template(cluster, MLFLOW, serves, automountServiceAccountToken=False, volumes=[volume]),
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": MLFLOW, "labels": own},
        "spec": {
            "selector": own,
            "ports": [{"name": "http", "port": MLFLOW_PORT, "targetPort": MLFLOW_PORT, "protocol": "TCP"}],
        },
    }
    return [deployment, service]
