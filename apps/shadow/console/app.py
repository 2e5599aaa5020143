"""The console's application: one replica, joined to nothing but the stores and names in the libs."""

from typing import Any

from ray import serve
from ray.serve import Application

from apps.shadow.console.deployment import Console


def build(arguments: dict[str, Any]) -> Application:
    """A console for `environment`; what it shows comes as `user_config`."""
    names = ("environment", "redis_url", "patience_s")
    return serve.deployment()(Console).bind(*(arguments[name] for name in names))
