"""The challenger's application: one SizeModel, with no route and no link to the live application."""

from typing import Any

from ray import serve
from ray.serve import Application

from libs.base.telemetry import Telemetry
from libs.models.serving_plan import POOLED
from libs.models.size_model import SizeModel


def build(arguments: dict[str, Any]) -> Application:
    """A SizeModel that waits to be called by name; the version comes as `user_config`."""
    return serve.deployment(name=POOLED)(SizeModel).bind(None, Telemetry(**arguments))
