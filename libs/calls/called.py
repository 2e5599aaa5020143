"""The base of a deployment's class that takes direct calls."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ray

from libs.base.telemetry import Telemetry
from libs.calls.frames import Method
from libs.calls.listener import Listener
from libs.calls.served import Served

# Callers hold few in flight each; a replica that has this many is stuck or overrun.
_MOST_AT_ONCE = 128


class Called(Served):
    """Listens for direct calls from when it is ready, and publishes where."""

    def __init__(
        self,
        deployment: str,
        methods: Mapping[Method[Any], Callable[..., Awaitable[Any]]],
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(deployment, telemetry)
        self._listener = Listener(methods, _MOST_AT_ONCE, self.tracer)

    async def record_replica_metadata(self) -> dict[str, Any]:
        """What every caller is told of this replica: where it listens."""
        replica = await self._listener.start(ray.util.get_node_ip_address())
        return await super().record_replica_metadata() | replica._asdict()
