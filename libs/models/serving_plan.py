"""What Ray Serve should run, as one declarative document made from config and registry.

The document lists every application of the environment, each time: Serve deletes what it does not list. A champion is
swapped by changing `user_config` only, which Serve applies inside the living replicas without restarting them; the
challengers are applications of their own, so that nothing that happens to one reaches the live application.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.market import Replicas, ShadowWindow
from libs.base.rollout import CanaryRollout
from libs.models.contract import ModelRef, to_builtins

POOLED = "SizeModel"
CONSOLE_ROUTE = "/console"

# One that died is found out within a second, and one that stands still after three checks in vain.
_HEALTH = {"health_check_period_s": 1.0, "health_check_timeout_s": 4.0}
_DRAIN = {"graceful_shutdown_timeout_s": 20.0, "graceful_shutdown_wait_loop_s": 0.5}
# A line in the log for each call between deployments took 5 % of every replica's time; the gateway counts requests.
_LOGGING = {"enable_access_log": False, "encoding": "JSON"}
# What decides how many replicas there are.
_POLICY = {"policy_function": "libs.calls.load:by_cpu_share"}
# Of the gateway's deadline, which Serve ends every request soon after, the console's pages too.
_CONSOLE_PATIENCE = 0.7
# What HAProxy and Serve act on. Among the arguments, a change of it would start all replicas of every deployment anew.
_NOT_THE_GATEWAYS_OWN = {"host", "port", "replicas", "max_requests_at_once", "max_requests_queued"}
# Logical CPUs a replica reserves: many small replicas share a core, and placement stays bounded.
_CPUS = 0.1
# On Kubernetes only the nodes that serve have it: no replica keeps a node alive that came for a week's training.
SERVES = "serves"
_OF_A_SERVING_NODE = {SERVES: 0.001}


@dataclass(frozen=True)
class Challenger:
    """A version in its shadow window; `canary_share` of the customers get its answers."""

    ref: ModelRef
    window: str
    canary_share: float | None = None


@dataclass(frozen=True)
class LiveState:
    """Who has which role, by market; a market may have neither."""

    champions: Mapping[str, ModelRef]
    challengers: Mapping[str, Challenger]


def live_application(environment: str) -> str:
    """The name of the application that answers."""
    return f"fitwave-{environment}"


def challenger_application(environment: str, market: str) -> str:
    """The name of a market's challenger application. Two underscores: no market or environment name has one."""
    return f"fitwave-{environment}__challenger__{market}"


def console_application(environment: str) -> str:
    """The name of the console's application."""
    return f"fitwave-{environment}__console"


def size_model_deployment(environment: Environment, market: str) -> str:
    """The deployment that holds a market's champion: the pooled one, or the market's own."""
    return f"{POOLED}-{market}" if environment.market(market).serving.dedicated else POOLED


def render(environment: Environment, endpoints: Endpoints, state: LiveState) -> dict[str, Any]:
    """The whole Serve document of an environment."""
    applications = [_live(environment, endpoints, state)]
    applications += [_challenger(environment, endpoints, market, state) for market in sorted(state.challengers)]
    if environment.serving.console:
        applications.append(_console(environment, endpoints))
    if endpoints.on_kubernetes:
        _keep_on_serving_nodes(applications)
    return {
        "proxy_location": "EveryNode" if endpoints.on_kubernetes else "HeadOnly",
        "logging_config": {"encoding": "JSON"},
        "http_options": {
            "host": _host(environment, endpoints),
            "port": endpoints.gateway_port,
            "request_timeout_s": environment.serving.gateway.timeout_s + 1.0,
        },
        "applications": applications,
    }


def _host(environment: Environment, endpoints: Endpoints) -> str:
    """Where replicas take requests. Of a cluster that was started here only HAProxy, before them, is to be reached."""
    if endpoints.on_kubernetes:
        return "0.0.0.0"
    return environment.serving.gateway.host if endpoints.haproxy_metrics_port is None else "127.0.0.1"


def _keep_on_serving_nodes(applications: list[dict[str, Any]]) -> None:
    for application in applications:
        for deployment in application["deployments"]:
            deployment["ray_actor_options"] |= {"resources": _OF_A_SERVING_NODE}


def _live(environment: Environment, endpoints: Endpoints, state: LiveState) -> dict[str, Any]:
    serving = environment.serving
    dedicated = sorted(name for name, market in environment.markets.items() if market.serving.dedicated)
    pooled = {name: ref for name, ref in state.champions.items() if name not in dedicated}
    deployments = [
        _deployment("Gateway", serving.gateway.replicas, _gateway_config(environment, state), ongoing=2048),
        _deployment("ShadowRouter", serving.shadow_router, _router_config(environment, state), ongoing=64),
        _deployment("FeatureLookup", serving.feature_lookup, None, ongoing=16),
        _deployment(POOLED, serving.pooled_size_model, _models(pooled), ongoing=16),
    ]
    for market in dedicated:
        own = {market: state.champions[market]} if market in state.champions else {}
        replicas = environment.market(market).serving.size_model
        deployments.append(_deployment(f"{POOLED}-{market}", replicas, _models(own), ongoing=16))
    return {
        "name": live_application(environment.name),
        "route_prefix": "/",
        "logging_config": _LOGGING,
        "import_path": "apps.serve.app:build",
        "args": {
            "environment": environment.name,
            "home": str(environment.home),
            "lake": environment.lake,
            "redis_url": endpoints.redis_url,
            "gateway": serving.gateway.model_dump(mode="json", exclude=_NOT_THE_GATEWAYS_OWN),
            "dedicated": dedicated,
            "telemetry": _telemetry(environment, endpoints),
        },
        "deployments": deployments,
    }


def _telemetry(environment: Environment, endpoints: Endpoints) -> dict[str, Any]:
    return {
        "otlp_endpoint": endpoints.otlp_endpoint,
        "traced_share": environment.traced_share,
        "memory_limit_mib": environment.serving.memory_limit_mib,
    }


def _challenger(environment: Environment, endpoints: Endpoints, market: str, state: LiveState) -> dict[str, Any]:
    models = _models({market: state.challengers[market].ref})
    return {
        "name": challenger_application(environment.name, market),
        "route_prefix": None,
        "logging_config": _LOGGING,
        "import_path": "apps.shadow.challenger:build",
        "args": {
            "environment": environment.name,
            "redis_url": endpoints.redis_url,
            **_telemetry(environment, endpoints),
        },
        "deployments": [_deployment(POOLED, environment.market(market).serving.size_model, models, ongoing=16)],
    }


def _console(environment: Environment, endpoints: Endpoints) -> dict[str, Any]:
    """One replica: people log in to it, and nobody's size waits for it. What it shows is no argument, so that a change
    of the config starts no new one, which would ask everybody to log in again.
    """
    shown = {
        "environment": environment.model_dump(mode="json"),
        "endpoints": endpoints.model_dump(mode="json"),
    }
    return {
        "name": console_application(environment.name),
        "route_prefix": CONSOLE_ROUTE,
        "logging_config": _LOGGING,
        "import_path": "apps.shadow.console.app:build",
        "args": {
            "environment": environment.name,
            "redis_url": endpoints.redis_url,
            "patience_s": _CONSOLE_PATIENCE * environment.serving.gateway.timeout_s,
        },
        "deployments": [_deployment("Console", Replicas(), shown, ongoing=64)],
    }


def _deployment(name: str, replicas: Replicas, user_config: dict[str, Any] | None, ongoing: int) -> dict[str, Any]:
    scale: dict[str, Any] = {"num_replicas": replicas.min}
    if replicas.max > replicas.min:
        scale = {
            "autoscaling_config": {
                "min_replicas": replicas.min,
                "max_replicas": replicas.max,
                "policy": _POLICY,
            }
        }
    return {
        "name": name,
        "max_ongoing_requests": ongoing,
        "user_config": user_config,
        "ray_actor_options": {"num_cpus": _CPUS},
        **scale,
        **_HEALTH,
        **_DRAIN,
    }


def _models(refs: Mapping[str, ModelRef]) -> dict[str, Any]:
    return {"models": {market: to_builtins(ref) for market, ref in sorted(refs.items())}}


def _gateway_config(environment: Environment, state: LiveState) -> dict[str, Any]:
    champions = state.champions
    return {
        "markets": {
            name: {"champion": champions[name].version if name in champions else None}
            for name in sorted(environment.markets)
        }
    }


def _router_config(environment: Environment, state: LiveState) -> dict[str, Any]:
    return {
        "pair_flush_s": environment.serving.pair_log.flush_s,
        "markets": {
            name: {
                "size_model": size_model_deployment(environment, name),
                "counted_as": state.champions[name].version if _is_counted(environment, name, state) else None,
                "challenger": _mirror(environment, name, state.challengers.get(name)),
            }
            for name in sorted(state.champions)
        },
    }


def _is_counted(environment: Environment, market: str, state: LiveState) -> bool:
    """Whether anybody reads how the champion's answers went: the guard, or who holds a canary's against them."""
    shadow = environment.market(market).shadow
    return shadow.guard is not None or bool(_canary(shadow, state.challengers.get(market)))


def _mirror(environment: Environment, market: str, challenger: Challenger | None) -> dict[str, Any] | None:
    if challenger is None:
        return None
    shadow = environment.market(market).shadow
    return {
        "application": challenger_application(environment.name, market),
        "version": challenger.ref.version,
        "window": challenger.window,
        "share": shadow.share,
        "timeout_s": shadow.timeout_s,
        **_canary(shadow, challenger),
    }


def _canary(shadow: ShadowWindow, challenger: Challenger | None) -> dict[str, float]:
    """Of how many customers the challenger answers; nothing where the market's policy is another by now."""
    if challenger is None or challenger.canary_share is None or not isinstance(shadow.rollout, CanaryRollout):
        return {}
    return {"canary_share": challenger.canary_share, "canary_timeout_s": shadow.rollout.timeout_s}
