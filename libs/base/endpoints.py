"""Where this environment's stores and cluster answer: configured by URL, or started by `fitwave up`."""

import json
import os
from pathlib import Path

from pydantic import ValidationError

from libs.base.environment import Environment
from libs.base.errors import DataError, TransientError
from libs.base.market import Frozen


class Endpoints(Frozen):
    """Every address a part of Fitwave may need. Written by `fitwave up`, read by everything else."""

    redis_url: str
    mlflow_uri: str
    ray_address: str
    ray_dashboard_url: str
    ray_token_path: Path | None = None
    gateway_port: int

    def use_ray_token(self) -> None:
        """Make this process, and those it starts, present the cluster's token; without it Ray refuses them."""
        if self.ray_token_path is not None:
            os.environ["RAY_AUTH_MODE"] = "token"
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(self.ray_token_path)


def endpoints_file(environment: Environment) -> Path:
    """The file in which `fitwave up` leaves the addresses."""
    return environment.home / "endpoints.json"


def resolve(environment: Environment) -> Endpoints:
    """The addresses of a running environment.

    Raises:
        TransientError: it is not up.
        DataError: the addresses file is damaged.
    """
    path = endpoints_file(environment)
    try:
        return Endpoints.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TransientError(
            f"environment {environment.name!r} is not up: {path} is absent. "
            f"Run `fitwave up --environment {environment.name}`."
        ) from None
    except (ValidationError, json.JSONDecodeError) as error:
        raise DataError(f"{path} is damaged: {error}. Run `fitwave down`, then `fitwave up`.") from error
