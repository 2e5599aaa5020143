"""The base of a deployment's class that takes direct calls."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ray

from libs.calls.frames import Method
from libs.calls.heap import freeze_heap
from libs.calls.listener import Listener
from libs.calls.load import CPU_SHARE, CpuShare
from libs.calls.replica_log import log_beside_serve

# Callers hold few in flight each; a replica that has this many is stuck or overrun.
_MOST_AT_ONCE = 128


class Called:
    """Serve calls the hooks here by name: when a replica is ready, and every few seconds."""

    def __init__(self, methods: Mapping[Method[Any], Callable[..., Awaitable[Any]]]) -> None:
        self._listener = Listener(methods, _MOST_AT_ONCE)
        self._cpu_share = CpuShare()

    async def record_replica_metadata(self) -> dict[str, Any]:
        """What every caller is told of this replica: where it listens."""
        log_beside_serve()
        freeze_heap()
        return (await self._listener.start(ray.util.get_node_ip_address()))._asdict()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What decides how many replicas there are."""
        return {CPU_SHARE: self._cpu_share.read()}
