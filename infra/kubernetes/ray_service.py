"""The RayService: one head that survives, pods that serve, pods that train, and the Serve document of now."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from infra.kubernetes.cluster import Cluster, Group, Machine
from infra.kubernetes.names import GATEWAY_SERVICE, HEAD, RAY_SECRET, RAY_SERVICE, SECRET, SERVING, TRAINING
from infra.kubernetes.pod import CODE, UNDISTURBED, Json, container, labels, redis_trust, spread, template
from infra.stack.haproxy import haproxy_settings
from infra.stack.haproxy_config import Edge
from libs.base.environment import Environment
from libs.models.ray_service import GROUP, as_text
from libs.models.serving_plan import SERVES

GATEWAY_PORT = 8000
# A pod's logical CPUs: at a tenth a replica, ten fit; and once it has one, no task of a whole CPU, as a week's are.
_SERVING_CPUS = 1
REPLICAS_PER_POD = 10
_SERVES_PER_POD = 1000
# Ray's agent on each node, which knows whether its raylet lives; the head's dashboard, which knows of the GCS.
AGENT_PORT, DASHBOARD_PORT = 52365, 8265
METRICS_PORT = 8080
# HAProxy's own default in Serve, on every node that serves.
HAPROXY_METRICS_PORT = 9101
_HAPROXY = Path("/run/haproxy")
# Of the memory of a pod, which holds it.
_OBJECT_STORE_SHARE = 0.25
# What the gateway's replicas and HAProxy need to end what they have begun (libs/models/serving_plan.py: 20 s).
_END_S = 60
# The pod takes no more requests once its proxy says so; the load balancer asks every five seconds, twice.
_UNANNOUNCED_S = 15


def ray_service(cluster: Cluster, environment: Environment, document: dict[str, Any]) -> Json:
    """The whole manifest, with the document that Serve is to run: image and document change in one step."""
    return {
        "apiVersion": GROUP,
        "kind": "RayService",
        "metadata": {
            "name": RAY_SERVICE,
            "namespace": cluster.namespace,
            "labels": labels(cluster, "ray-service"),
        },
        "spec": {
            "serveConfigV2": as_text(document),
            "excludeHeadPodFromServeSvc": True,
            "upgradeStrategy": {"type": "NewCluster"},
            "rayClusterDeletionDelaySeconds": cluster.choices.retired_cluster_s,
            "serveService": _service(cluster),
            "rayClusterConfig": {
                "rayVersion": version("ray"),
                "authOptions": {"mode": "token", "secretName": RAY_SECRET},
                "gcsFaultToleranceOptions": {
                    "redisAddress": f"rediss://{cluster.provisioned.redis_address}",
                    "redisPassword": {"valueFrom": {"secretKeyRef": {"name": SECRET, "key": "redis-password"}}},
                },
                "enableInTreeAutoscaling": True,
                "autoscalerOptions": _autoscaler(cluster),
                "headGroupSpec": _head(cluster, environment),
                "workerGroupSpecs": [
                    _group(cluster, environment, SERVING, cluster.choices.serving),
                    _group(cluster, environment, TRAINING, cluster.choices.training),
                ],
            },
        },
    }


def _service(cluster: Cluster) -> Json:
    return {
        "metadata": {"name": GATEWAY_SERVICE, "labels": labels(cluster, "gateway")},
        "spec": {
            "type": "ClusterIP",
            "ports": [{"name": "serve", "port": GATEWAY_PORT, "targetPort": GATEWAY_PORT, "protocol": "TCP"}],
        },
    }


def _autoscaler(cluster: Cluster) -> Json:
    sidecar = container(cluster, "autoscaler", Machine(cpus=0.25, memory_gib=1))
    return {
        "version": "v2",
        "idleTimeoutSeconds": cluster.choices.idle_s,
        "upscalingMode": "Default",
        "imagePullPolicy": sidecar["imagePullPolicy"],
        "resources": {kind: {key: sidecar["resources"][kind][key] for key in keys} for kind, keys in _SIDECAR},
        "securityContext": sidecar["securityContext"],
    }


_SIDECAR = (("requests", ("cpu", "memory")), ("limits", ("memory",)))


def _head(cluster: Cluster, environment: Environment) -> Json:
    alive = _asks("/api/gcs_healthz", DASHBOARD_PORT)
    ports = {"gcs": 6379, "dashboard": DASHBOARD_PORT, "client": 10001, "metrics": METRICS_PORT}
    ray = container(
        cluster,
        "ray-head",
        cluster.choices.head,
        env=_ray_variables(environment) | redis_trust(),
        ports=_ports(ports),
        volumeMounts=_RAY_MOUNTS,
        # Ray takes its time to load what Redis has kept.
        startupProbe=alive | {"periodSeconds": 5, "failureThreshold": 60},
        livenessProbe=alive | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        readinessProbe=alive | {"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 3},
    )
    return {
        "serviceType": "ClusterIP",
        # Nothing is placed here: what a head loses when it dies, Redis and the workers have.
        "rayStartParams": {"num-cpus": "0", **_start(cluster.choices.head)},
        "template": template(
            cluster,
            HEAD,
            ray,
            annotations=UNDISTURBED,
            restartPolicy="Never",
            terminationGracePeriodSeconds=_END_S,
            volumes=_RAY_VOLUMES,
            topologySpreadConstraints=spread(cluster, HEAD),
        ),
    }


def _group(cluster: Cluster, environment: Environment, name: str, group: Group) -> Json:
    serves = name == SERVING
    alive = _asks("/api/local_raylet_healthz", AGENT_PORT)
    ready = _asks("/-/healthz", GATEWAY_PORT) if serves else alive
    ray = container(
        cluster,
        "ray-worker",
        group,
        env=_ray_variables(environment) | redis_trust(),
        ports=_ports({"metrics": METRICS_PORT, **({"serve": GATEWAY_PORT} if serves else {})}),
        volumeMounts=_RAY_MOUNTS,
        startupProbe=alive | {"periodSeconds": 5, "failureThreshold": 60},
        livenessProbe=alive | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
        readinessProbe=ready | {"periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 2},
        lifecycle={"preStop": {"exec": {"command": ["sleep", str(_UNANNOUNCED_S)]}}},
    )
    own = {"num-cpus": str(_SERVING_CPUS), "resources": f'"{{\\"{SERVES}\\": {_SERVES_PER_POD}}}"'} if serves else {}
    return {
        "groupName": name,
        "replicas": group.min,
        "minReplicas": group.min,
        "maxReplicas": group.max,
        "rayStartParams": {**own, **_start(group)},
        "template": template(
            cluster,
            name,
            ray,
            annotations=None if serves else UNDISTURBED,
            restartPolicy="Never",
            terminationGracePeriodSeconds=_END_S + _UNANNOUNCED_S,
            volumes=_RAY_VOLUMES,
            topologySpreadConstraints=spread(cluster, name),
        ),
    }


_RAY_MOUNTS: list[Json] = [{"name": "haproxy", "mountPath": str(_HAPROXY)}]
_RAY_VOLUMES: list[Json] = [{"name": "haproxy", "emptyDir": {"sizeLimit": "64Mi"}}]


def _start(machine: Machine) -> dict[str, str]:
    store = int(machine.memory_gib * _OBJECT_STORE_SHARE * 2**30)
    return {"disable-usage-stats": "true", "object-store-memory": str(store)}


def _ray_variables(environment: Environment) -> dict[str, str]:
    edge = Edge.of(environment.serving.gateway, "0.0.0.0")
    return haproxy_settings(_HAPROXY, Path(CODE / "infra" / "stack" / "haproxy.sh"), edge)


def _ports(ports: dict[str, int]) -> list[Json]:
    return [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()]


def _asks(path: str, port: int) -> Json:
    return {"httpGet": {"path": path, "port": port, "scheme": "HTTP"}}
