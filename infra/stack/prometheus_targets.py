"""Where Prometheus finds what to scrape of the environments that are up on this machine."""

import json
from pathlib import Path

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment


def targets_file(environment: Environment) -> Path:
    """A file of Prometheus' file-based discovery, in one folder for all environments; there while it is up."""
    return environment.state_dir / "prometheus" / f"{environment.name}.json"


def write_targets(environment: Environment, endpoints: Endpoints) -> None:
    """Name what tells metrics: any gateway, for all of Fitwave, and HAProxy."""
    host = environment.serving.gateway.host
    targets = {"fitwave": f"{host}:{endpoints.gateway_port}"}
    if endpoints.haproxy_metrics_port is not None:
        targets["haproxy"] = f"127.0.0.1:{endpoints.haproxy_metrics_port}"
    content = [
        {"targets": [address], "labels": {"job": job, "environment": environment.name}}
        for job, address in targets.items()
    ]
    path = targets_file(environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(path)
