"""What a process counts, and how it is shown."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from libs.base.environment import REPOSITORY
from libs.base.meter import Meter
from libs.base.metric_board import page
from libs.base.metrics import BATCH_REQUESTS, METRICS, MODEL_INFO, REQUESTS


def samples(*meters: Meter) -> dict[tuple[str, ...], float]:
    """Every sample of the page that these make together, by name and label values in the order of their names."""
    shown = page([meter.lines() for meter in meters]).decode()
    families = list(text_string_to_metric_families(shown))
    assert len({family.name for family in families}) == len(families), "a metric is told of once"
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


def test_each_series_names_its_deployment_and_replica() -> None:
    meter = Meter("Gateway", "r1")
    meter.count(REQUESTS, "de", "200", "none")
    meter.count(REQUESTS, "de", "200", "none", by=2)
    assert samples(meter) == {("fitwave_requests_total", "Gateway", "de", "none", "r1", "200"): 3}


def test_a_distribution_is_shown_by_its_own_buckets() -> None:
    meter = Meter("Gateway", "r1")
    for requests in (1, 3, 300):
        meter.observe(BATCH_REQUESTS, requests)
    found = samples(meter)
    assert found["fitwave_batch_requests_bucket", "Gateway", "4.0", "r1"] == 2
    assert found["fitwave_batch_requests_bucket", "Gateway", "+Inf", "r1"] == 3
    assert found["fitwave_batch_requests_sum", "Gateway", "r1"] == 304


def test_what_is_cleared_is_gone_and_can_be_set_again() -> None:
    meter = Meter("SizeModel", "r1")
    meter.set(MODEL_INFO, 1, "de", "champion", "7")
    meter.clear(MODEL_INFO)
    meter.set(MODEL_INFO, 1, "de", "champion", "8")
    assert samples(meter) == {("fitwave_model_info", "SizeModel", "de", "r1", "champion", "8"): 1}


def test_two_replicas_in_one_process_do_not_meet_and_share_a_page() -> None:
    one, other = Meter("Gateway", "r1"), Meter("Gateway", "r2")
    one.count(REQUESTS, "de", "200", "none")
    assert samples(other) == {}
    other.count(REQUESTS, "de", "200", "none")
    assert len(samples(one, other)) == 2


def test_names_say_what_a_metric_is() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("fitwave_")
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
        assert not {"customer", "article", "key", "path", "request"} & set(metric.labels), metric.name


def test_values_stay_in_memory_whatever_feast_has_asked_of_the_library(tmp_path: Path) -> None:
    code = (
        "from libs.base.meter import Meter; from libs.base.metrics import REQUESTS;"
        "meters = [Meter('Gateway', 'r1') for _ in range(2)];"
        "[meter.count(REQUESTS, 'de', '200', 'none') for meter in meters];"
        "print(meters[0].lines()[REQUESTS.name].rpartition(' ')[2])"
    )
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout == "1.0\n"
    assert list(tmp_path.iterdir()) == []
