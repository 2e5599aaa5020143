"""`fitwave up`, `status` and `down`: start what is not configured elsewhere, and stop exactly that."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.branches.shared_stores import enter
from infra.stack.haproxy_config import Edge
from infra.stack.processes import Record, free_port, require_free, stop
from infra.stack.prometheus_targets import targets_file, write_targets
from infra.stack.ray_cluster import clear_temp_dir, node_is_alive, start_ray, stop_serve, token_file
from infra.stack.redis_server import answers, require_redis, start_redis
from libs.base.endpoints import Endpoints, endpoints_file, leave, resolve
from libs.base.environment import Environment
from libs.base.errors import DataError, FitwaveError, TransientError
from libs.models.serve_api import require_own_cluster

_STOP_S = 15.0
_ORDER = ("ray", "redis")


@dataclass(frozen=True)
class Component:
    """One row of `fitwave status`."""

    name: str
    origin: str
    address: str
    pid: int | None
    healthy: bool


def up(environment: Environment) -> Endpoints:
    """Start the environment's stores and cluster; already up: the same endpoints again.

    Raises:
        TransientError: something does not start or does not answer; what had been started is stopped again.
    """
    if endpoints_file(environment).exists():
        endpoints = resolve(environment)
        sick = [component.name for component in status(environment) if not component.healthy]
        if not sick:
            return endpoints
        raise TransientError(
            f"{', '.join(sick)} of environment {environment.name!r} is not healthy: `fitwave down` first"
        )
    environment.home.mkdir(parents=True, exist_ok=True)
    try:
        endpoints = _start(environment)
    except FitwaveError:
        down(environment)
        raise
    leave(environment, endpoints)
    write_targets(environment, endpoints)
    endpoints.prepare_process()
    return endpoints


def _start(environment: Environment) -> Endpoints:
    record = _record(environment)
    enter(environment)
    gateway = environment.serving.gateway
    if gateway.port is not None:
        require_free(gateway.host, gateway.port, "serving.gateway.port")
    if environment.redis_url:
        require_redis(environment.redis_url)
    redis_url = environment.redis_url or start_redis(environment.home, record)
    mlflow_uri = environment.mlflow_uri or _sqlite(environment.home)
    if environment.ray_address:
        if not environment.ray_dashboard_url:
            raise DataError("ray_address is set, so ray_dashboard_url is needed too: jobs and Serve are sent there")
        address, dashboard, token, haproxy = environment.ray_address, environment.ray_dashboard_url, None, None
    else:
        edge = Edge.of(gateway, gateway.host)
        ray = start_ray(environment.home, edge, record)
        address, dashboard, token, haproxy = ray.gcs, ray.dashboard, ray.token, ray.haproxy_metrics_port
    endpoints = Endpoints(
        redis_url=redis_url,
        mlflow_uri=mlflow_uri,
        ray_address=address,
        ray_dashboard_url=dashboard,
        ray_token_path=token,
        gateway_port=gateway.port or free_port(gateway.host),
        haproxy_metrics_port=haproxy,
        otlp_endpoint=environment.otlp_endpoint,
    )
    if environment.ray_address:
        require_own_cluster(endpoints, environment.name)
    return endpoints


def _sqlite(home: Path) -> str:
    folder = home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'mlflow.db'}"


def _record(environment: Environment) -> Record:
    return Record(environment.home / "stack.json")


def down(environment: Environment) -> list[str]:
    """Stop what `up` started, in the reverse order, and say what that was. Nothing is running: nothing happens."""
    record = _record(environment)
    started = sorted(record.read(), key=lambda one: _ORDER.index(one.component))
    for one in started:
        if one.component == "ray" and one.process() is not None:
            stop_serve(one.address, token_file(environment.home))
        stop(one, _STOP_S)
    endpoints_file(environment).unlink(missing_ok=True)
    targets_file(environment).unlink(missing_ok=True)
    clear_temp_dir(environment.home)
    if started:
        record.write([])
    return [f"{one.component} (pid {one.pid})" for one in started]


def status(environment: Environment) -> list[Component]:
    """Every component of a running environment, asked whether it answers.

    Raises:
        TransientError: the environment is not up.
    """
    endpoints = resolve(environment)
    pids = {one.component: one.pid for one in _record(environment).read()}
    gateway = f"http://{environment.serving.gateway.host}:{endpoints.gateway_port}"

    def component(name: str, configured: object, address: str, healthy: bool) -> Component:
        origin = "configured" if configured else "started here"
        return Component(name, origin, address, pids.get(name), healthy)

    ray_healthy = node_is_alive(endpoints.ray_dashboard_url, endpoints.ray_token_path)
    return [
        component("redis", environment.redis_url, _without_password(endpoints.redis_url), answers(endpoints.redis_url)),
        component("mlflow", environment.mlflow_uri, endpoints.mlflow_uri, _store_answers(endpoints.mlflow_uri)),
        component("ray", environment.ray_address, endpoints.ray_dashboard_url, ray_healthy),
        component("gateway", None, gateway, gateway_answers(gateway)),
    ]


def gateway_answers(url: str) -> bool:
    """Whether the gateway says it is alive."""
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _without_password(url: str) -> str:
    parts = httpx.URL(url)
    return str(parts.copy_with(userinfo=b"")) if parts.userinfo else url


def _store_answers(uri: str) -> bool:
    if uri.startswith("sqlite:///"):
        return Path(uri.removeprefix("sqlite:///")).parent.is_dir()
    try:
        return httpx.get(f"{uri.rstrip('/')}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
