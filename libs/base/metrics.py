"""Every metric that Fitwave exports, declared once; docs/observability.md has the same table for people.

Labels are bounded: markets are the environment's own, the other values are few and known. No customer, article, key or
path is ever one.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

# From an answer of one request alone (5 ms measured) to the default deadline.
_REQUEST_S = (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
# A part of a request takes from a fraction of a millisecond to as long as the request.
_STAGE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Metric:
    """One metric. What a replica counts has the labels `deployment` and `replica` besides; what is `kept` outlives who
    said it, as the end of a job does.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()
    kept: bool = False


REQUESTS = Metric(
    "fitwave_requests_total",
    "counter",
    ("market", "status", "problem"),
    "Requests for recommendations, by HTTP status, and by the problem that was answered, or none.",
)
REQUEST_SECONDS = Metric(
    "fitwave_request_seconds",
    "histogram",
    ("market",),
    "Time from a request's arrival at the gateway to its answer.",
    _REQUEST_S,
)
STAGE_SECONDS = Metric(
    "fitwave_stage_seconds",
    "histogram",
    ("market", "stage"),
    "Time that a batch spent in one stage of its way.",
    _STAGE_S,
)
BATCH_REQUESTS = Metric(
    "fitwave_batch_requests", "histogram", (), "Requests that left the gateway as one batch.", _BATCH
)
BATCH_ARTICLES = Metric(
    "fitwave_batch_articles", "histogram", ("market",), "Articles that the model answered in one pass.", _BATCH
)
CALLS = Metric("fitwave_calls_total", "counter", ("way",), "Batches sent to the shadow router, by the way they went.")
RECOMMENDATIONS = Metric(
    "fitwave_recommendations_total",
    "counter",
    ("market", "outcome"),
    "Answers for single articles, by what they say.",
)
DEGRADED = Metric(
    "fitwave_degraded_total",
    "counter",
    ("market", "reason"),
    "Requests whose answer rests on less than it should, since features could not be read or are too old.",
)
FEATURES_AS_OF = Metric(
    "fitwave_features_as_of_timestamp_seconds",
    "gauge",
    ("market",),
    "Cut-off of the features that the market's latest answer rests on.",
)
MODEL_INFO = Metric(
    "fitwave_model_info", "gauge", ("market", "role", "version"), "1 for each model version that a replica has loaded."
)
SHADOW_PAIRS = Metric(
    "fitwave_shadow_pairs_total",
    "counter",
    ("market", "outcome"),
    "Mirrored requests, by what became of the challenger's answer.",
)
REPORTED = Metric("fitwave_replica_reported_timestamp_seconds", "gauge", (), "When a replica last told its metrics.")
COMPLETE = Metric(
    "fitwave_metrics_complete",
    "gauge",
    (),
    "1 if all replicas' metrics are in this scrape; 0 if Redis was away and only the asked gateway's are.",
    kept=True,
)
WEEK_STAGE_SECONDS = Metric(
    "fitwave_week_stage_seconds",
    "gauge",
    ("market", "stage"),
    "How long a stage of the market's latest weekly job took, for all markets that shared it.",
    kept=True,
)
WEEK_BEGAN = Metric(
    "fitwave_week_began_timestamp_seconds", "gauge", ("market",), "When the latest weekly job began.", kept=True
)
WEEK_ENDED = Metric(
    "fitwave_week_ended_timestamp_seconds", "gauge", ("market",), "When a weekly job last ended, however.", kept=True
)
WEEK_SUCCEEDED = Metric(
    "fitwave_week_succeeded_timestamp_seconds",
    "gauge",
    ("market",),
    "When a weekly job last came to a decision: champion, challenger or rejected.",
    kept=True,
)
WEEK_OUTCOMES = Metric(
    "fitwave_week_outcomes_total", "counter", ("market", "outcome"), "Weekly jobs, by what they came to.", kept=True
)
WEEK_FAILURES = Metric(
    "fitwave_week_failures_total", "counter", ("market", "stage"), "Weekly jobs that failed, by stage.", kept=True
)
WEEKS = Metric(
    "fitwave_weeks", "gauge", ("state",), "Weeks in the queue, by how far they are, when last looked at.", kept=True
)
FEATURES_COVERAGE = Metric(
    "fitwave_features_coverage_ratio",
    "gauge",
    ("market",),
    "Share of registered customers and of online articles with online features after the latest refresh, the smaller.",
    kept=True,
)
SHADOW_VERDICT = Metric(
    "fitwave_shadow_verdict",
    "gauge",
    ("market", "decision"),
    "1 for the latest verdict on the market's window; none while nothing is shadowed.",
    kept=True,
)
SHADOW_JUDGED = Metric(
    "fitwave_shadow_judged_timestamp_seconds",
    "gauge",
    ("market",),
    "When the market's window was last judged.",
    kept=True,
)
SHADOW_OPENED = Metric(
    "fitwave_shadow_window_opened_timestamp_seconds",
    "gauge",
    ("market",),
    "When the window that is open was opened; 0 while none is.",
    kept=True,
)

METRICS = (
    REQUESTS,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    BATCH_REQUESTS,
    BATCH_ARTICLES,
    CALLS,
    RECOMMENDATIONS,
    DEGRADED,
    FEATURES_AS_OF,
    MODEL_INFO,
    SHADOW_PAIRS,
    REPORTED,
    COMPLETE,
    WEEK_STAGE_SECONDS,
    WEEK_BEGAN,
    WEEK_ENDED,
    WEEK_SUCCEEDED,
    WEEK_OUTCOMES,
    WEEK_FAILURES,
    WEEKS,
    FEATURES_COVERAGE,
    SHADOW_VERDICT,
    SHADOW_JUDGED,
    SHADOW_OPENED,
)
