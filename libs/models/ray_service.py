"""The Serve document in the spec of the RayService that this process runs in.

KubeRay gives Serve what stands in `spec.serveConfigV2`, and does so again when its operator starts anew, when a head
comes back without its applications, and for each new cluster of an upgrade. So every change of roles is written there
before Serve has it, and KubeRay never goes back behind it (docs/decisions/serve-config-on-kubernetes.md).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from libs.base.errors import DataError, TransientError

# Set in every pod by `infra.kubernetes.pod`.
SERVICE_VARIABLE, IMAGE_VARIABLE = "FITWAVE_RAY_SERVICE", "FITWAVE_IMAGE"
GROUP = "ray.io/v1"
# Where Kubernetes leaves a pod's own credentials.
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IMAGE_PATH = "/spec/rayClusterConfig/headGroupSpec/template/spec/containers/0/image"
_TIMEOUT_S = 10.0
_OWNER = "fitwave"


def as_text(document: dict[str, Any]) -> str:
    """The document as `serveConfigV2` holds it. KubeRay compares texts: equal documents have equal ones."""
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=4096)


@dataclass(frozen=True)
class RayService:
    """One RayService, by way of Kubernetes' API. `image`: the one that this process was started from."""

    namespace: str
    name: str
    image: str
    api: str
    account: Path = _ACCOUNT

    @classmethod
    def of_process(cls) -> "RayService":
        """The one whose pod this process runs in, or that it deploys.

        Raises:
            DataError: it runs in no pod of Fitwave's.
        """
        try:
            namespace, _, name = os.environ[SERVICE_VARIABLE].partition("/")
            image, host, port = (
                os.environ[key] for key in (IMAGE_VARIABLE, "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
            )
        except KeyError as missing:
            raise DataError(
                f"the environment runs on Kubernetes, and this process does not: it has no {missing.args[0]}. "
                f"Run the command in a pod: `kubectl exec`, as docs/clusters.md shows."
            ) from None
        return cls(namespace, name, image, f"https://{host}:{port}")

    def keep(self, document: dict[str, Any]) -> int:
        """Have KubeRay know this document, and no older one; the generation that the RayService has now.

        One that was made by the code of another image is refused: while the RayService is upgraded, the document is the
        new image's to make, which follows the ledger until its cluster has taken over (`fitwave cluster deploy`).

        Raises:
            TransientError: Kubernetes is away, or the RayService is being upgraded.
            DataError: Kubernetes refuses it.
        """
        change = [
            {"op": "test", "path": _IMAGE_PATH, "value": self.image},
            {"op": "add", "path": "/spec/serveConfigV2", "value": as_text(document)},
        ]
        answer = self._call("PATCH", "", json=change, kind="application/json-patch+json")
        # Which of these a failed test is has changed between versions of Kubernetes.
        if answer.status_code in (409, 422) and "test" in answer.text:
            raise TransientError(
                f"RayService {self.namespace}/{self.name} is being upgraded from {self.image} to another image. The "
                f"change is in the ledger, and the new cluster starts with it; run this again afterwards to be sure."
            )
        return self._generation(answer)

    def put(self, manifest: dict[str, Any]) -> int:
        """Create it, or make it what the manifest says, in one step; the generation that it has now.

        Raises:
            TransientError: Kubernetes is away.
            DataError: Kubernetes refuses it.
        """
        query = f"?fieldManager={_OWNER}&force=true"
        answer = self._call("PATCH", query, json=manifest, kind="application/apply-patch+yaml")
        return self._generation(answer)

    def status(self) -> dict[str, Any]:
        """What KubeRay says of it.

        Raises: as `put`.
        """
        answer = self._call("GET", "")
        self._require(answer)
        return dict(answer.json().get("status") or {})

    def _call(self, method: str, query: str, json: Any = None, kind: str = "application/json") -> requests.Response:
        url = f"{self.api}/apis/{GROUP}/namespaces/{self.namespace}/rayservices/{self.name}{query}"
        try:
            token = (self.account / "token").read_text(encoding="utf-8").strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
            return requests.request(
                method, url, json=json, headers=headers, verify=str(self.account / "ca.crt"), timeout=_TIMEOUT_S
            )
        except OSError as error:
            raise TransientError(f"Kubernetes' API does not answer at {self.api}: {error}") from error

    def _generation(self, answer: requests.Response) -> int:
        self._require(answer)
        return int(answer.json()["metadata"]["generation"])

    def _require(self, answer: requests.Response) -> None:
        what = f"Kubernetes answered {answer.status_code} for RayService {self.namespace}/{self.name}: "
        if answer.status_code in (408, 409, 429) or answer.status_code >= 500:
            raise TransientError(what + answer.text[:500])
        if answer.status_code >= 400:
            raise DataError(what + answer.text[:500])
