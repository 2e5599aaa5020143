"""What is counted."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from apps.serve.measurements import Measurements
from tests.unit.apps.serve.router import answer


def samples(measurements: Measurements) -> dict[tuple[str, ...], float]:
    """Every sample by name and label values, without the replica's and without creation times."""
    found = {}
    for family in text_string_to_metric_families(measurements.render().decode()):
        for sample in family.samples:
            labels = [value for label, value in sorted(sample.labels.items()) if label != "replica"]
            found[(sample.name, *labels)] = sample.value
    return found


def test_counts_requests_by_market_and_status() -> None:
    measurements = Measurements("r1")
    for status in (200, 200, 503):
        measurements.request("de", status, 0.004)
    found = samples(measurements)
    assert found["fitwave_requests_total", "de", "200"] == 2
    assert found["fitwave_requests_total", "de", "503"] == 1
    assert found["fitwave_request_seconds_bucket", "0.005", "de"] == 3
    assert found["fitwave_request_seconds_bucket", "0.0025", "de"] == 0


def test_counts_batches_and_what_the_answers_say() -> None:
    measurements = Measurements("r1")
    measurements.batch(3)
    measurements.recommendations("de", [answer("a"), answer("b", "low_confidence")])
    found = samples(measurements)
    assert found["fitwave_batch_requests_sum",] == 3
    assert found["fitwave_recommendations_total", "de", "recommended"] == 1
    assert found["fitwave_recommendations_total", "de", "abstained"] == 1


def test_says_up_to_when_the_features_of_an_answer_know() -> None:
    measurements = Measurements("r1")
    measurements.features("de", datetime(2026, 7, 6, tzinfo=UTC))
    assert samples(measurements)["fitwave_features_as_of_timestamp_seconds", "de"] == 1783296000


def test_each_series_names_its_replica() -> None:
    measurements = Measurements("r1")
    measurements.request("de", 200, 0.1)
    series = [line for line in measurements.render().decode().splitlines() if line.startswith("fitwave_")]
    assert series
    assert all('replica="r1"' in line for line in series)


def test_two_replicas_in_one_process_do_not_meet() -> None:
    one, other = Measurements("r1"), Measurements("r2")
    one.request("de", 200, 0.1)
    assert ("fitwave_requests_total", "de", "200") not in samples(other)
