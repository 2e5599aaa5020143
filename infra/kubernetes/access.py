"""Accounts of the pods, and the little that Kubernetes lets each of them do."""

from infra.kubernetes.cluster import Cluster
from infra.kubernetes.names import ACCOUNT, DEPLOY_ACCOUNT, RAY_SERVICE
from infra.kubernetes.pod import Json, labels

_ROLES = "rbac.authorization.k8s.io"


def access(cluster: Cluster) -> list[Json]:
    """Whoever changes roles writes this one RayService's document; the deploying Job may also create it."""
    own = {"apiGroups": ["ray.io"], "resources": ["rayservices"], "resourceNames": [RAY_SERVICE]}
    # A name is no bound on `create`, for which Kubernetes knows none.
    create = {"apiGroups": ["ray.io"], "resources": ["rayservices"], "verbs": ["create"]}
    changes = own | {"verbs": ["get", "patch"]}
    return [
        *_account(cluster, ACCOUNT, [changes]),
        *_account(cluster, DEPLOY_ACCOUNT, [changes, create]),
    ]


def _account(cluster: Cluster, name: str, rules: list[Json]) -> list[Json]:
    metadata = {"name": name, "labels": labels(cluster, "access")}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{_ROLES}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_ROLES}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _ROLES, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": cluster.namespace}],
        },
    ]
