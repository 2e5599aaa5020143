"""How busy a replica is, and how many that calls for.

Serve scales by the calls that wait for a replica. Here they come in batches, at most a few in flight a market, so they
tell little; a replica is one thread of Python, and what it can run out of is its core.
"""

import math
import time
from typing import Any

CPU_SHARE = "cpu_share"
# The share of its core that a replica should use: what is left is for bursts shorter than Serve takes to scale.
TARGET_SHARE = 0.6


class CpuShare:
    """The share of a core that this process used since it was last asked."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._used = time.process_time()

    def read(self) -> float:
        """CPU-seconds a second."""
        at, used = time.monotonic(), time.process_time()
        share = (used - self._used) / max(at - self._at, 1e-6)
        self._at, self._used = at, used
        return share


def by_cpu_share(context: Any) -> tuple[float, dict[str, Any]]:
    """Serve's autoscaling policy: as many replicas as keep each at its target; Serve adds bounds and delays.

    Serve pickles it by value.
    """
    shares = (context.aggregated_metrics or {}).get(CPU_SHARE, {})
    if not shares:
        return context.target_num_replicas, {}
    return math.ceil(sum(shares.values()) / TARGET_SHARE), {}
