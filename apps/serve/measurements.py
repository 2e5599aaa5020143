"""What a gateway replica counts and times: its part of `libs.base.metrics`."""

from collections.abc import Iterable
from datetime import datetime

from libs.base.meter import Meter
from libs.base.metrics import (
    BATCH_REQUESTS,
    CALLS,
    DEGRADED,
    FEATURES_AS_OF,
    RECOMMENDATIONS,
    REQUEST_SECONDS,
    REQUESTS,
    STAGE_SECONDS,
)
from libs.models.contract import Answered

# The label of what is asked about markets that are not configured: a caller must not be able to make series.
UNKNOWN = "unknown"
NO_PROBLEM = "none"


class Measurements:
    """Counts for one gateway replica."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def request(self, market: str, status: int, problem: str, seconds: float) -> None:
        """Count one request and its time."""
        self._meter.count(REQUESTS, market, str(status), problem)
        self._meter.observe(REQUEST_SECONDS, seconds, market)

    def batch(self, requests: int) -> None:
        """Count one batch that leaves."""
        self._meter.observe(BATCH_REQUESTS, requests)

    def stage(self, market: str, stage: str, seconds: float) -> None:
        """Note how long a batch spent in a stage."""
        self._meter.observe(STAGE_SECONDS, seconds, market, stage)

    def call(self, way: str) -> None:
        """Count one call to the shadow router: straight to a replica, or by Serve's handle where none is known."""
        self._meter.count(CALLS, way)

    def recommendations(self, market: str, recommendations: Iterable[Answered]) -> None:
        """Count the answers of one request."""
        for recommendation in recommendations:
            self._meter.count(RECOMMENDATIONS, market, recommendation.outcome)

    def degraded(self, market: str, reason: str) -> None:
        """Count one request whose answer rests on less than it should."""
        self._meter.count(DEGRADED, market, reason)

    def features(self, market: str, as_of: datetime) -> None:
        """Note how fresh the features of an answer are."""
        self._meter.set(FEATURES_AS_OF, as_of.timestamp(), market)
