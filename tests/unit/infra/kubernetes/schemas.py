"""What Kubernetes, KubeRay and EKS take, without any of them at hand.

Kubernetes' own schemas are those of the package `kubernetes-validate`. KubeRay's are written down here by hand,
after the reference of its v1 API, since no package registry has its CRDs: what they say is only as good as that. Both
are strict: an unknown key is a fault.
"""

import importlib.resources
import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

# What infra/terraform asks of EKS.
KUBERNETES = "v1.34.0"
_FOLDER = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"{KUBERNETES}-local-strict"
# As the schemas name it; nothing is fetched from there.
_DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
_CORE = f"{_DEFINITIONS}#/$defs/io.k8s.api.core.v1"
_META = f"{_DEFINITIONS}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1"
_TEXT, _NUMBER, _SWITCH = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}

Schema = dict[str, Any]


def faults(manifest: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a manifest, each with its place."""
    found = _validator(manifest["apiVersion"], manifest["kind"]).iter_errors(manifest)
    return [f"{'.'.join(str(part) for part in fault.path)}: {fault.message[:300]}" for fault in found]


@cache
def _validator(api: str, kind: str) -> Draft202012Validator:
    schema = _CUSTOM.get((api, kind)) or _of_kubernetes(api, kind)
    return Draft202012Validator(schema, registry=_registry())


@cache
def _registry() -> Registry[Any]:
    definitions = json.loads((_FOLDER / "_definitions.json").read_text(encoding="utf-8"))
    registry: Registry[Any] = Registry().with_resource(_DEFINITIONS, Resource.from_contents(definitions))
    return registry


def _of_kubernetes(api: str, kind: str) -> Schema:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    return dict(json.loads((_FOLDER / f"{kind.lower()}-{group}.json").read_text(encoding="utf-8")))


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}


def _ref(place: str, name: str) -> Schema:
    return {"$ref": f"{place}.{name}"}


def _kind(api: str, kind: str, spec: Schema) -> Schema:
    return _object(
        "apiVersion kind metadata spec",
        apiVersion={"const": api},
        kind={"const": kind},
        metadata=_ref(_META, "ObjectMeta"),
        spec=spec,
    )


_TEMPLATE = _ref(_CORE, "PodTemplateSpec")
_SERVICE = _object("spec", metadata=_ref(_META, "ObjectMeta"), spec=_ref(_CORE, "ServiceSpec"))
_CREDENTIAL = _object("", value=_TEXT, valueFrom=_ref(_CORE, "EnvVarSource"))
_HEAD = _object(
    "template",
    template=_TEMPLATE,
    headService=_SERVICE,
    enableIngress=_SWITCH,
    rayStartParams=_TEXTS,
    resources=_TEXTS,
    labels=_TEXTS,
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
)
_WORKERS = _object(
    "groupName template",
    groupName=_TEXT,
    replicas=_NUMBER,
    minReplicas=_NUMBER,
    maxReplicas=_NUMBER,
    numOfHosts=_NUMBER,
    idleTimeoutSeconds=_NUMBER,
    suspend=_SWITCH,
    rayStartParams=_TEXTS,
    resources=_TEXTS,
    labels=_TEXTS,
    template=_TEMPLATE,
    scaleStrategy=_object("", workersToDelete={"type": "array", "items": _TEXT}),
)
_AUTOSCALER = _object(
    "",
    version={"enum": ["v1", "v2"]},
    image=_TEXT,
    imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
    resources=_ref(_CORE, "ResourceRequirements"),
    securityContext=_ref(_CORE, "SecurityContext"),
    idleTimeoutSeconds=_NUMBER,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    env={"type": "array", "items": _ref(_CORE, "EnvVar")},
    volumeMounts={"type": "array", "items": _ref(_CORE, "VolumeMount")},
)
_CLUSTER = _object(
    "headGroupSpec",
    rayVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    authOptions=_object("", mode={"enum": ["disabled", "token"]}, secretName=_TEXT),
    gcsFaultToleranceOptions=_object(
        "redisAddress",
        redisAddress=_TEXT,
        redisUsername=_CREDENTIAL,
        redisPassword=_CREDENTIAL,
        externalStorageNamespace=_TEXT,
    ),
    enableInTreeAutoscaling=_SWITCH,
    autoscalerOptions=_AUTOSCALER,
    headServiceAnnotations=_TEXTS,
    suspend=_SWITCH,
    headGroupSpec=_HEAD,
    workerGroupSpecs={"type": "array", "items": _WORKERS},
)
_RAY_SERVICE = _object(
    "rayClusterConfig serveConfigV2",
    serveConfigV2=_TEXT,
    rayClusterConfig=_CLUSTER,
    serveService=_SERVICE,
    excludeHeadPodFromServeSvc=_SWITCH,
    rayClusterDeletionDelaySeconds=_NUMBER,
    upgradeStrategy=_object("type", type={"enum": ["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]}),
)
_BINDING = _object(
    "serviceRef targetGroupARN",
    serviceRef=_object("name port", name=_TEXT, port=_NUMBER),
    targetGroupARN={"type": "string", "pattern": "^arn:aws"},
    targetType={"enum": ["ip", "instance"]},
)
_CUSTOM: dict[tuple[str, str], Schema] = {
    ("ray.io/v1", "RayService"): _kind("ray.io/v1", "RayService", _RAY_SERVICE),
    ("eks.amazonaws.com/v1", "TargetGroupBinding"): _kind("eks.amazonaws.com/v1", "TargetGroupBinding", _BINDING),
}
