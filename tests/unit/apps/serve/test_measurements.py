"""What a gateway counts."""

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from apps.serve.measurements import Measurements
from libs.base.meter import Meter
from libs.base.metric_board import page
from tests.unit.apps.serve.router import answer


@pytest.fixture
def meter() -> Meter:
    return Meter("Gateway", "r1")


@pytest.fixture
def measurements(meter: Meter) -> Measurements:
    return Measurements(meter)


def samples(meter: Meter) -> dict[tuple[str, ...], float]:
    """Every sample by name and label values, without who tells it."""
    return {
        (one.name, *(value for label, value in sorted(one.labels.items()) if label not in ("deployment", "replica"))): (
            one.value
        )
        for family in text_string_to_metric_families(page([meter.lines()]).decode())
        for one in family.samples
    }


def test_counts_requests_by_market_status_and_problem(meter: Meter, measurements: Measurements) -> None:
    for status, problem in ((200, "none"), (200, "none"), (503, "unavailable")):
        measurements.request("de", status, problem, 0.004)
    found = samples(meter)
    assert found["fitwave_requests_total", "de", "none", "200"] == 2
    assert found["fitwave_requests_total", "de", "unavailable", "503"] == 1
    assert found["fitwave_request_seconds_bucket", "0.005", "de"] == 3
    assert found["fitwave_request_seconds_bucket", "0.0025", "de"] == 0


def test_counts_batches_their_stages_and_what_the_answers_say(meter: Meter, measurements: Measurements) -> None:
    measurements.batch(3)
    measurements.stage("de", "wait", 0.002)
    measurements.recommendations("de", [answer("a"), answer("b", "low_confidence")])
    found = samples(meter)
    assert found["fitwave_batch_requests_sum",] == 3
    assert found["fitwave_stage_seconds_sum", "de", "wait"] == 0.002
    assert found["fitwave_recommendations_total", "de", "recommended"] == 1
    assert found["fitwave_recommendations_total", "de", "abstained"] == 1


def test_says_up_to_when_the_features_of_an_answer_know(meter: Meter, measurements: Measurements) -> None:
    measurements.features("de", datetime(2026, 7, 6, tzinfo=UTC))
    assert samples(meter)["fitwave_features_as_of_timestamp_seconds", "de"] == 1783296000
