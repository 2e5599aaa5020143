"""The wiring of the live application; `libs.models.serving_plan` says with what, and how many replicas of each."""

from typing import Any

from ray import serve
from ray.serve import Application

from apps.serve.feature_lookup import FeatureLookup
from apps.serve.gateway import Gateway
from apps.serve.shadow_router import ShadowRouter
from libs.base.telemetry import Telemetry
from libs.models.serving_plan import POOLED
from libs.models.size_model import SizeModel


def build(arguments: dict[str, Any]) -> Application:
    """Gateway -> ShadowRouter -> FeatureLookup and SizeModel; a dedicated market has a SizeModel of its own."""
    environment, home, lake, redis_url = (arguments[name] for name in ("environment", "home", "lake", "redis_url"))
    telemetry = Telemetry(environment, redis_url, **arguments["telemetry"])
    names = [POOLED, *(f"{POOLED}-{market}" for market in arguments["dedicated"])]
    size_models = {name: serve.deployment(name=name)(SizeModel).bind(lake, telemetry) for name in names}
    feature_lookup = serve.deployment()(FeatureLookup).bind(environment, home, redis_url, telemetry)
    shadow_router = serve.deployment()(ShadowRouter).bind(feature_lookup, size_models, lake, home, telemetry)
    return serve.deployment()(Gateway).bind(shadow_router, environment, arguments["gateway"], telemetry)
