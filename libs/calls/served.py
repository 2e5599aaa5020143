"""The base of every deployment's class: what Serve calls on a replica by name, and what a replica tells of itself."""

import secrets
from typing import Any

from ray import serve
from ray.serve.exceptions import RayServeException

from libs.base.telemetry import Telemetry
from libs.base.tracing import NoTracer, Tracer, tracer_of
from libs.calls.heap import freeze_heap
from libs.calls.load import CPU_SHARE, CpuShare
from libs.calls.memory import require_memory_below
from libs.calls.replica_log import log_beside_serve
from libs.calls.replica_metrics import ReplicaMetrics
from libs.calls.replica_port import listen_on_the_nodes_address


class Served:
    """Serve calls the hooks here when a replica is ready, and every few seconds."""

    def __init__(self, deployment: str, telemetry: Telemetry | None = None) -> None:
        """`deployment` is its name in metrics and traces. Without telemetry it counts for itself alone."""
        self._cpu_share = CpuShare()
        self._memory_limit_mib = telemetry.memory_limit_mib if telemetry else None
        replica = _replica_of_serve()
        if replica is None:
            replica = secrets.token_hex(4)
        else:
            listen_on_the_nodes_address()
        self._replica_metrics = ReplicaMetrics(deployment, replica, telemetry)
        self.meter = self._replica_metrics.meter
        self.tracer: Tracer = tracer_of(telemetry, deployment, replica) if telemetry else NoTracer()

    async def record_replica_metadata(self) -> dict[str, Any]:
        """Called once, when the replica is ready: what everybody who has a handle is told of it."""
        log_beside_serve()
        self._replica_metrics.begin()
        freeze_heap()
        return {}

    def check_health(self) -> None:
        """Called every second; Serve replaces a replica for which this raises.

        Raises:
            InvariantError: it takes more memory than it may.
        """
        if self._memory_limit_mib is not None:
            require_memory_below(self._memory_limit_mib)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What decides how many replicas there are."""
        return {CPU_SHARE: self._cpu_share.read()}

    def metrics_page(self) -> bytes:
        """The metrics of all replicas of the environment, in Prometheus' text format; asks Redis."""
        return self._replica_metrics.page()

    def end(self) -> None:
        """Tell what is left to tell; it may wait for Redis and for what takes traces."""
        self._replica_metrics.end()
        self.tracer.close()

    def __del__(self) -> Any:
        """Serve calls this when it takes a replica away, after its last request."""
        self.end()


def _replica_of_serve() -> str | None:
    """The name that Serve's logs have for this replica; None outside of Serve."""
    try:
        return serve.get_replica_context().replica_id.unique_id
    except RayServeException:
        return None
