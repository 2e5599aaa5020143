"""The cluster's GCS is gone for half a minute while shoppers ask; what it knows is in a Redis of its own."""

import subprocess
import time
from collections.abc import Callable

import pytest

from libs.base.errors import TransientError
from tests.chaos.conftest import DEPLOYMENTS, Live, until
from tests.chaos.load import loaded
from tests.chaos.test_killed_replicas import sleep_until

_AWAY_S = 30.0


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.row(
    "6",
    "the GCS killed for 30 s under L, its state in Redis",
    "0 failures; the same replicas; a deployment meanwhile is refused cleanly",
)
def test_without_its_gcs_the_cluster_answers_and_takes_no_deployment(live: Live, figure: Callable[[str], None]) -> None:
    head = live.process("ray")
    [gcs] = [one for one in head.children(recursive=True) if one.name() == "gcs_server"]
    command, variables = gcs.cmdline(), gcs.environ()
    before = {name: sorted(live.pids(name)) for name in DEPLOYMENTS}
    # `ray start --block` ends the whole cluster when one of its processes dies; on a cluster something restarts it.
    head.suspend()
    with loaded(live.plan) as load:
        sleep_until(load, 10)
        gcs.kill()
        with pytest.raises(TransientError) as refused:
            live.scale(3)
        sleep_until(load, 10 + _AWAY_S)
        again = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begin = time.monotonic()
        until(lambda: is_back(live))
        took = time.monotonic() - begin
        after = {name: sorted(live.pids(name)) for name in DEPLOYMENTS}
        live.scale(2)
    figure(
        f"{load}; {len(live.wrong(load))} wrong; {'the same' if after == before else 'other'} replicas; a deployment: "
        f"{str(refused.value)[:60]}...; takes deployments again {took:.1f} s after the GCS is back"
    )
    assert again.poll() is None
    assert load.failed == []
    assert live.wrong(load) == []
    assert after == before


def is_back(live: Live) -> bool:
    try:
        return all(len(live.pids(name)) == 2 for name in DEPLOYMENTS)
    except (TransientError, KeyError):  # the dashboard cannot ask, or is told nothing yet
        return False
