"""What a gateway replica counts and times, for Prometheus.

`/metrics` reaches one replica at a time, so each series carries its replica's name: a counter that seemed to jump
between replicas would look like restarts.
"""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from libs.models.contract import Answered

MEDIA_TYPE = CONTENT_TYPE_LATEST
# The label of what is asked about markets that are not configured: a caller must not be able to make series.
UNKNOWN = "unknown"

# From an answer of one request alone (5 ms measured) to the default deadline.
_SECONDS = (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Measurements:
    """Metrics on a registry of their own, apart from what libraries register on the process's."""

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "fitwave_requests",
            "Requests for recommendations, by HTTP status.",
            ("market", "status", "replica"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "fitwave_request_seconds",
            "Time from a request's arrival at the gateway to its answer.",
            ("market", "replica"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "fitwave_batch_requests",
            "Requests that left the gateway as one batch.",
            ("replica",),
            buckets=_BATCH,
            registry=self._registry,
        )
        self._calls = Counter(
            "fitwave_calls",
            "Batches sent to the shadow router, by the way they went.",
            ("way", "replica"),
            registry=self._registry,
        )
        self._recommendations = Counter(
            "fitwave_recommendations",
            "Answers for single articles, by what they say.",
            ("market", "outcome", "replica"),
            registry=self._registry,
        )

        self._features_as_of = Gauge(
            "fitwave_features_as_of_timestamp_seconds",
            "Cut-off of the features that the market's latest answer rests on.",
            ("market", "replica"),
            registry=self._registry,
        )

    def request(self, market: str, status: int, seconds: float) -> None:
        """Count one request and its time."""
        self._requests.labels(market, str(status), self._replica).inc()
        self._seconds.labels(market, self._replica).observe(seconds)

    def batch(self, requests: int) -> None:
        """Count one batch that leaves."""
        self._batches.labels(self._replica).observe(requests)

    def call(self, way: str) -> None:
        """Count one call to the shadow router: straight to a replica, or by Serve's handle where none is known."""
        self._calls.labels(way, self._replica).inc()

    def recommendations(self, market: str, recommendations: Iterable[Answered]) -> None:
        """Count the answers of one request."""
        for recommendation in recommendations:
            self._recommendations.labels(market, recommendation.outcome, self._replica).inc()

    def features(self, market: str, as_of: datetime) -> None:
        """Note how fresh the features of an answer are."""
        self._features_as_of.labels(market, self._replica).set(as_of.timestamp())

    def render(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
