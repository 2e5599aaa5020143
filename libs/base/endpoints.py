"""Where this environment's stores and cluster answer: configured by URL, or started by `fitwave up`."""

import json
import os
from pathlib import Path

from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.base.frozen import Frozen
from libs.base.stored_format import decoding

# The one switch that makes Ray bind, advertise and look for the loopback address; its name tells of other systems.
LOOPBACK_SWITCH = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class Endpoints(Frozen):
    """Every address a part of Fitwave may need. Written by `fitwave up`, or in a cluster by `fitwave cluster deploy`;
    read by everything else: were each to look for itself, who deploys next would say otherwise, and Serve start all
    replicas anew.

    `on_kubernetes`: the gateway is entered on every node that serves, by way of a load balancer, and what serves has
    nodes of its own.
    """

    redis_url: str
    mlflow_uri: str
    ray_address: str
    ray_dashboard_url: str
    ray_token_path: Path | None = None
    gateway_port: int
    on_kubernetes: bool = False
    haproxy_metrics_port: int | None = None
    otlp_endpoint: str | None = None

    def prepare_process(self) -> None:
        """Set what Ray reads from the process environment, for this process and those it starts.

        NOTE: Ray reads the second one when it is imported, so this comes first. Without it Ray takes 127.0.0.1 for the
        host's outward address, on which a loopback-only cluster does not listen.
        """
        if self.ray_token_path is not None:
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(self.ray_token_path)
        if self.ray_address.startswith("127."):
            os.environ[LOOPBACK_SWITCH] = "0"


def endpoints_file(environment: Environment) -> Path:
    """The file in which `fitwave up` leaves the addresses."""
    return environment.home / "endpoints.json"


def leave(environment: Environment, endpoints: Endpoints) -> None:
    """Write the addresses where `resolve` looks for them; a reader sees the old ones or the new ones."""
    environment.home.mkdir(parents=True, exist_ok=True)
    draft = endpoints_file(environment).with_suffix(".draft")
    draft.write_text(endpoints.model_dump_json(indent=1), encoding="utf-8")
    draft.replace(endpoints_file(environment))


def resolve(environment: Environment) -> Endpoints:
    """The addresses of a running environment, and this process made ready to use them: call it before importing Ray.

    Raises:
        TransientError: it is not up.
        DataError: the addresses file is damaged.
    """
    path = endpoints_file(environment)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise TransientError(
            f"environment {environment.name!r} is not up: {path} is absent. "
            f"Run `fitwave up --environment {environment.name}`."
        ) from None
    with decoding(f"{path} is damaged, or of another release", "Run `fitwave down`, then `fitwave up`."):
        endpoints = Endpoints.model_validate(json.loads(text))
    endpoints.prepare_process()
    return endpoints
