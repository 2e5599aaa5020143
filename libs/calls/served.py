"""The base of every deployment's class: what Serve calls on a replica by name."""

from typing import Any

from libs.calls.heap import freeze_heap
from libs.calls.load import CPU_SHARE, CpuShare
from libs.calls.replica_log import log_beside_serve


class Served:
    """Serve calls the hooks here when a replica is ready, and every few seconds."""

    def __init__(self) -> None:
        self._cpu_share = CpuShare()

    async def record_replica_metadata(self) -> dict[str, Any]:
        """Called once, when the replica is ready: what everybody who has a handle is told of it."""
        log_beside_serve()
        freeze_heap()
        return {}

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What decides how many replicas there are."""
        return {CPU_SHARE: self._cpu_share.read()}
