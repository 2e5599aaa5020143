"""How a document reaches Ray Serve, and what Serve says: its REST API, and on Kubernetes the RayService before it.

Serve deletes what a document does not list, so a cluster serves one environment, and is refused to another.
"""

import time
from typing import Any

import requests

from libs.base.endpoints import Endpoints
from libs.base.errors import DataError, TransientError
from libs.models.ray_service import RayService
from libs.models.serving_plan import CONSOLE_ROUTE, live_application

_POLL_S = 0.1
# A failed deployment's message is a stack of tracebacks; the cause stands at its end.
_MESSAGE_END = 600
_HTTP_TIMEOUT_S = 10.0
# The first document starts Serve itself, which takes a busy machine longer than any answer.
_TAKES_S = 60.0
_LEAVE_S = 60.0


def apply(endpoints: Endpoints, document: dict[str, Any], timeout_s: float = 180.0) -> None:
    """Hand the document to Serve and wait until every replica runs it.

    When this returns, no replica answers with what it had before. The console is not waited for: what becomes of it
    is no reason to hold up a change of roles.

    On Kubernetes the RayService has it first, since what stands there is what KubeRay goes back to.

    Raises:
        DataError: the cluster serves something else, Serve refuses the document, or an application fails to deploy; of
            the last two the message is Serve's.
        TransientError: Ray's dashboard or Kubernetes is away, the RayService is being upgraded, or the applications are
            not running in time.
    """
    live = document["applications"][0]["name"]
    _require_no_others(endpoints, status(endpoints), live)
    if endpoints.on_kubernetes:
        RayService.of_process().keep(document)
    _call(endpoints, "PUT", document)
    listed = {application["name"]: application["route_prefix"] for application in document["applications"]}
    wanted = [name for name, route in listed.items() if route != CONSOLE_ROUTE]
    deadline = time.monotonic() + timeout_s
    while True:
        answer = status(endpoints)
        # Another may have looked at the same moment, and found the cluster empty too.
        _require_no_others(endpoints, answer, live)
        found = answer["applications"]
        states = {name: found.get(name, {}).get("status", "ABSENT") for name in wanted}
        failed = [name for name, status in states.items() if status in ("DEPLOY_FAILED", "UNHEALTHY")]
        if failed:
            raise DataError(f"{failed[0]} did not deploy. Serve says: {_reason(found[failed[0]])}")
        leaving = [name for name in found if name not in listed]
        if not leaving and all(status == "RUNNING" for status in states.values()):
            return
        if time.monotonic() > deadline:
            raise TransientError(f"not running after {timeout_s:g} s: {states}. See `fitwave serve status`.")
        time.sleep(_POLL_S)


def _reason(application: dict[str, Any]) -> str:
    """The ends of what Serve says about a failed application and its deployments."""
    messages = [application.get("message", "")]
    messages += [one.get("message", "") for one in application.get("deployments", {}).values()]
    return " ... ".join(message.strip()[-_MESSAGE_END:] for message in messages if message)


def require_own_cluster(endpoints: Endpoints, environment: str) -> None:
    """See that the cluster serves this environment or nothing.

    Raises:
        DataError: it serves something else, which deploying to it would delete.
        TransientError: Ray's dashboard is away.
    """
    _require_no_others(endpoints, status(endpoints), live_application(environment))


def _require_no_others(endpoints: Endpoints, answer: dict[str, Any], live: str) -> None:
    # Every other application of an environment is called as its live one and two underscores, which no name has.
    others = sorted(name for name in answer["applications"] if name != live and not name.startswith(f"{live}__"))
    if others:
        raise DataError(
            f"the Ray cluster at {endpoints.ray_dashboard_url} serves {', '.join(others)}, which deploying "
            f"{live} would delete: each environment needs a cluster of its own. Set another ray_address, or none, and "
            f"`fitwave up` starts one."
        )


def undeploy(endpoints: Endpoints, environment: str) -> list[str]:
    """Take down every application of the environment, and wait until they are gone; which they were.

    Raises:
        DataError: the cluster serves something else by now, which is left alone.
        TransientError: Ray's dashboard is away, or they are not gone in time.
    """
    found = sorted(status(endpoints)["applications"])
    if not found:
        return []
    require_own_cluster(endpoints, environment)
    _call(endpoints, "DELETE")
    deadline = time.monotonic() + _LEAVE_S
    while left := sorted(status(endpoints)["applications"]):
        if time.monotonic() > deadline:
            raise TransientError(f"{', '.join(left)} not gone after {_LEAVE_S:g} s")
        time.sleep(_POLL_S)
    return found


def status(endpoints: Endpoints) -> dict[str, Any]:
    """What Serve runs now, in Serve's own words.

    Raises:
        TransientError: Ray's dashboard is away.
    """
    return _call(endpoints, "GET")


def _call(endpoints: Endpoints, method: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    headers = {}
    if endpoints.ray_token_path is not None:
        headers["Authorization"] = f"Bearer {endpoints.ray_token_path.read_text(encoding='utf-8')}"
    url = f"{endpoints.ray_dashboard_url}/api/serve/applications/"
    try:
        timeout_s = _TAKES_S if method == "PUT" else _HTTP_TIMEOUT_S
        answer = requests.request(method, url, json=document, headers=headers, timeout=timeout_s)
    except requests.RequestException as error:
        raise TransientError(f"Ray's dashboard does not answer at {endpoints.ray_dashboard_url}: {error}") from error
    if answer.status_code >= 500:
        raise TransientError(f"Ray Serve answered {answer.status_code}: {answer.text[:500]}")
    if answer.status_code >= 400:
        raise DataError(f"Ray Serve refused: {answer.status_code} {answer.text[:500]}")
    return dict(answer.json()) if method == "GET" else {}
