"""What decides how many replicas there are."""

import time
from types import SimpleNamespace

import pytest

from libs.calls.load import CPU_SHARE, CpuShare, by_cpu_share


def spin(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_a_replica_that_works_uses_more_of_its_core_than_one_that_waits() -> None:
    share = CpuShare()
    spin(0.1)
    busy = share.read()
    time.sleep(0.1)
    assert share.read() < 0.2 < busy


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [([0.05], 1), ([0.59], 1), ([0.61], 2), ([0.95, 0.9], 4), ([0.3, 0.2, 0.1], 1)],
)
def test_as_many_replicas_as_keep_each_at_its_target(shares: list[float], wanted: int) -> None:
    metrics = {CPU_SHARE: {f"replica {i}": share for i, share in enumerate(shares)}}
    assert by_cpu_share(SimpleNamespace(aggregated_metrics=metrics, target_num_replicas=9))[0] == wanted


@pytest.mark.parametrize("nothing", [None, {}, {CPU_SHARE: {}}])
def test_nothing_measured_yet_changes_nothing(nothing: object) -> None:
    assert by_cpu_share(SimpleNamespace(aggregated_metrics=nothing, target_num_replicas=3))[0] == 3
