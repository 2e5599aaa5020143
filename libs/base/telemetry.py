"""Where a replica's metrics and traces go, and what it watches of itself, as it is told when Serve makes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Telemetry:
    """`otlp_endpoint`: what takes traces, if anything; `traced_share`: of requests, those that are traced.

    `memory_limit_mib`: a replica that takes more is replaced, if any.
    """

    environment: str
    redis_url: str
    otlp_endpoint: str | None = None
    traced_share: float = 0.0
    memory_limit_mib: int | None = None
