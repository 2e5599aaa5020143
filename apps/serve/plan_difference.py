"""What a new Serve document would change of what runs, and what each change does to the replicas."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from libs.base.secrets import masked

Document = Mapping[str, Any]

SCALED = "replicas come or go, the others stay"
LIVING = "taken by the living replicas"
ANEW = "its replicas are started anew, one after the other"
ALL_ANEW = "all replicas of the application are started anew, one after the other"
WITH_THE_CLUSTER = "taken when the cluster starts again: fitwave down, fitwave up"
STARTS = "starts"
ENDS = "ends"

# What Ray makes an application's code version of; beside these the policies of those deployments that scale by
# themselves, so that a first range like 1..3, or the end of the last, is one too.
# Source: ray 2.60.0, serve/_private/deploy_utils.py, get_app_code_version.
_CODE = ("import_path", "runtime_env", "args")
_REPLICAS = ("num_replicas", "autoscaling_config")
# Which of a version's attributes tell a person that it is another.
_VERSION = "version"
_LONGEST = 60


@dataclass(frozen=True)
class Change:
    """One value that is another, in an application or in one of its deployments, and what follows."""

    application: str
    deployment: str
    key: str
    before: str
    after: str
    effect: str

    def __str__(self) -> str:
        place = f"{self.application} {self.deployment}".strip()
        change = f"{self.key}: {self.before} -> {self.after}" if self.key else self.after
        return f"{place}: {change} ({self.effect})"


def differences(running: Document, wanted: Document) -> list[Change]:
    """What would change if Serve were given a document.

    Args:
        running: what Serve says of itself (`GET /api/serve/applications/`).
        wanted: the document.
    """
    before = {
        name: details["deployed_app_config"]
        for name, details in running.get("applications", {}).items()
        if details.get("deployed_app_config") and details.get("status") != "DELETING"
    }
    after = {application["name"]: application for application in wanted["applications"]}
    changes = list(_http(running.get("http_options") or {}, wanted["http_options"])) if before else []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            changes.append(Change(name, "", "", "", "no longer listed", ENDS))
        elif name not in before:
            changes += [
                Change(name, one["name"], "replicas", "none", _replicas(one), STARTS)
                for one in after[name]["deployments"]
            ]
        else:
            changes += _application(name, before[name], after[name])
    return changes


def _http(before: Document, after: Document) -> Iterator[Change]:
    for key, value in after.items():
        if key in before and before[key] != value:
            yield Change("HTTP", "", key, _show(before[key]), _show(value), WITH_THE_CLUSTER)


def _application(name: str, before: Document, after: Document) -> Iterator[Change]:
    for key in _CODE:
        for path, old, new in _changed(before.get(key), after.get(key), key):
            yield Change(name, "", path, _show(old), _show(new), ALL_ANEW)
    scaled, scaling = _scaling(before), _scaling(after)
    if scaled != scaling:
        key = "deployments that scale by themselves"
        yield Change(name, "", key, _listed(scaled), _listed(scaling), ALL_ANEW)
    for key in sorted(after.keys() - {*_CODE, "name", "deployments"}):
        for path, old, new in _changed(before.get(key), after[key], key):
            yield Change(name, "", path, _show(old), _show(new), LIVING)
    old_ones = {one["name"]: one for one in before.get("deployments", [])}
    new_ones = {one["name"]: one for one in after["deployments"]}
    for deployment in sorted(old_ones.keys() | new_ones.keys()):
        if deployment not in new_ones:
            yield Change(name, deployment, "", "", "no longer listed", ENDS)
        elif deployment not in old_ones:
            yield Change(name, deployment, "replicas", "none", _replicas(new_ones[deployment]), STARTS)
        else:
            yield from _deployment(name, old_ones[deployment], new_ones[deployment])


def _deployment(application: str, before: Document, after: Document) -> Iterator[Change]:
    name = after["name"]
    if _replicas(before) != _replicas(after):
        yield Change(application, name, "replicas", _replicas(before), _replicas(after), SCALED)
    # Serve fills in more than a document says, so it is held against what the document says.
    for key in sorted(after.keys() - {"name", *_REPLICAS}):
        effect = ANEW if key == "ray_actor_options" else LIVING
        for path, old, new in _changed(before.get(key), after[key], "" if key == "user_config" else key):
            yield Change(application, name, path, _show(old), _show(new), effect)


def _scaling(application: Document) -> list[str]:
    return [one["name"] for one in application.get("deployments", []) if one.get("autoscaling_config")]


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _replicas(deployment: Document) -> str:
    scaling = deployment.get("autoscaling_config")
    if scaling:
        return f"{scaling['min_replicas']}..{scaling['max_replicas']}"
    return str(deployment.get("num_replicas", 1))


def _changed(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Each value that differs, with its dotted path; a version's files follow from its number."""
    if before == after:
        return
    both = isinstance(before, Mapping) and isinstance(after, Mapping)
    if not both or before.get(_VERSION) != after.get(_VERSION):
        yield path, before, after
        return
    for key in sorted(before.keys() | after.keys()):
        yield from _changed(before.get(key), after.get(key), f"{path}.{key}" if path else key)


def _show(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping) and _VERSION in value:
        return f"v{value[_VERSION]}"
    text = masked(value if isinstance(value, str) else json.dumps(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
