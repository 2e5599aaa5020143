"""Who may speak to whom: nobody, but for what is listed here."""

from typing import Any

from infra.kubernetes.cluster import Cluster
from infra.kubernetes.names import DEPLOY, HEAD, MLFLOW, SCHEDULED, SERVING, TRAINING
from infra.kubernetes.pod import Json
from infra.kubernetes.ray_service import AGENT_PORT, DASHBOARD_PORT, GATEWAY_PORT, HAPROXY_METRICS_PORT, METRICS_PORT
from infra.kubernetes.workloads import MLFLOW_PORT

RAY = (HEAD, SERVING, TRAINING)
_CLIENTS = (SCHEDULED, DEPLOY)
# Where KubeRay's operator is installed, and Prometheus.
_OPERATOR, _MONITORING, _DNS = "kuberay-system", "monitoring", "kube-system"
# EKS gives a pod its credentials here; the node's own, at 169.254.169.254, no pod may ask for.
_IDENTITY_AGENT = "169.254.170.23/32"
_LINK_LOCAL = "169.254.0.0/16"
_REDIS, _HTTPS, _GIT_SSH = 6379, 443, 22


def network_policies(cluster: Cluster) -> list[Json]:
    """A pod that no policy names neither speaks nor is spoken to."""
    made = cluster.provisioned
    everybody = _every(*RAY, *_CLIENTS, MLFLOW)
    return [
        _policy("nobody", {}, ingress=[], egress=[]),
        _policy("gateway", _every(SERVING), ingress=[_from(_networks(*made.load_balancer_cidrs), GATEWAY_PORT)]),
        _policy("ray", _every(*RAY), ingress=[_from([_pods(*RAY)])], egress=[_to([_pods(*RAY)])]),
        _policy(
            "operator",
            _every(*RAY),
            ingress=[_from([_namespace(_OPERATOR)], DASHBOARD_PORT, AGENT_PORT, GATEWAY_PORT)],
        ),
        _policy(
            "metrics",
            _every(*RAY),
            ingress=[_from([_namespace(_MONITORING)], METRICS_PORT, HAPROXY_METRICS_PORT, GATEWAY_PORT)],
        ),
        _policy("jobs", _every(HEAD), ingress=[_from([_pods(*_CLIENTS)], DASHBOARD_PORT)]),
        _policy("to-jobs", _every(*_CLIENTS), egress=[_to([_pods(HEAD)], DASHBOARD_PORT)]),
        _policy("mlflow", _every(MLFLOW), ingress=[_from([_pods(*RAY, *_CLIENTS)], MLFLOW_PORT)]),
        _policy("to-mlflow", _every(*RAY, *_CLIENTS), egress=[_to([_pods(MLFLOW)], MLFLOW_PORT)]),
        _policy("to-names", everybody, egress=[_to([_namespace(_DNS)], 53, udp=True)]),
        _policy("to-redis", _every(*RAY, *_CLIENTS), egress=[_to(_networks(*made.private_cidrs), _REDIS)]),
        # The object store, Kubernetes' API and the code's repository.
        _policy(
            "to-outside",
            _every(*RAY, *_CLIENTS),
            egress=[
                _to([{"ipBlock": {"cidr": "0.0.0.0/0", "except": [_LINK_LOCAL]}}], _HTTPS, _GIT_SSH),
                _to(_networks(_IDENTITY_AGENT), 80),
            ],
        ),
    ]


def _policy(name: str, selector: Json, **rules: Any) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": selector, "policyTypes": [direction.capitalize() for direction in rules], **rules},
    }


def _every(*components: str) -> Json:
    return {
        "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": sorted(components)}]
    }


def _pods(*components: str) -> Json:
    return {"podSelector": _every(*components)}


def _namespace(name: str) -> Json:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _networks(*cidrs: str) -> list[Json]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]


def _from(peers: list[Json], *ports: int) -> Json:
    return {"from": peers, **_through(ports)}


def _to(peers: list[Json], *ports: int, udp: bool = False) -> Json:
    return {"to": peers, **_through(ports, udp)}


def _through(ports: tuple[int, ...], udp: bool = False) -> Json:
    protocols = ("TCP", "UDP") if udp else ("TCP",)
    through = [{"port": port, "protocol": protocol} for port in ports for protocol in protocols]
    return {"ports": through} if through else {}
