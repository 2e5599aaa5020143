"""Replicas, gateways and the controller are killed or stand still while shoppers ask."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

import psutil
import pytest

from libs.base.errors import TransientError
from libs.client.client import Client
from tests.chaos.conftest import DEPLOYMENTS, Live, until
from tests.chaos.load import SECONDS, Load, loaded

Figure = Callable[[str], None]

_EVERY_S = 10.0
_BEHIND_THE_GATEWAY = DEPLOYMENTS[1:]


def sleep_until(load: Load, seconds: float) -> None:
    time.sleep(max(0.0, load.began + seconds - time.time()))


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("1", "SIGKILL a replica every 10 s under L", "0 failures; replaced <= 10 s")
def test_a_replica_that_is_killed_fails_no_question_and_is_replaced(live: Live, figure: Figure) -> None:
    took, kinds = [], cycle(DEPLOYMENTS)
    with loaded(live.plan) as load:
        for second in range(2, int(SECONDS) - 5, int(_EVERY_S)):
            sleep_until(load, second)
            name = next(kinds)
            pid = live.pids(name)[0]
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            took.append(live.replaced(name, pid, begin))
    figure(f"{load}; {len(live.wrong(load))} wrong; {len(took)} replaced in {max(took):.1f} s at most")
    assert load.failed == []
    assert live.wrong(load) == []
    assert max(took) <= 10.0


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row(
    "4",
    "SIGKILL one of two gateways under L, and amid questions of the client package",
    "failures <= in flight; 0 with the client package's retry",
)
def test_a_killed_gateway_fails_no_question_of_a_client_that_asks_again(live: Live, figure: Figure) -> None:
    plan, asked = live.plan, 0
    with loaded(replace(plan, seconds=20.0)) as load, Client(plan.url, plan.key, deadline_s=5.0) as client:
        sleep_until(load, 5)
        os.kill(live.pids("Gateway")[0], signal.SIGKILL)
        while time.time() < load.began + plan.seconds:
            client.recommend(plan.market, plan.customers[asked % len(plan.customers)], plan.articles)
            asked += 1
    figure(f"{load}; {len(live.wrong(load))} wrong; {asked:,} asked with the client package, 0 failed")
    assert asked > 0
    assert load.failed == []
    assert live.wrong(load) == []


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("2", "SIGSTOP a replica under L", "0 failures; p99 <= 500 ms; ejected <= 15 s")
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_replica_that_stands_still_fails_no_question_and_is_replaced(live: Live, name: str, figure: Figure) -> None:
    with loaded(live.plan) as load:
        sleep_until(load, 5)
        pid = live.pids(name)[0]
        begin = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        until(lambda: pid not in live.pids(name))
        took = time.monotonic() - begin
    figure(f"{name}: {load}; {len(live.wrong(load))} wrong; ejected after {took:.1f} s")
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGCONT)
    assert load.failed == []
    assert live.wrong(load) == []
    assert load.p99_ms() <= 500
    assert took <= 15.0


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("3", "SIGKILL the Serve controller under L", "0 failures; back <= 10 s")
def test_a_controller_that_is_killed_fails_no_question_and_is_back(live: Live, figure: Figure) -> None:
    cluster = live.process("ray").children(recursive=True)
    [controller] = [one for one in cluster if one.name().startswith("ray::ServeController")]
    with loaded(live.plan) as load:
        sleep_until(load, 10)
        before = {name: sorted(live.pids(name)) for name in DEPLOYMENTS}
        begin = time.monotonic()
        controller.kill()
        until(lambda: is_back(live, controller.pid))
        took = time.monotonic() - begin
        after = {name: sorted(live.pids(name)) for name in DEPLOYMENTS}
    figure(f"{load}; {len(live.wrong(load))} wrong; back after {took:.1f} s")
    assert load.failed == []
    assert live.wrong(load) == []
    assert after == before
    assert took <= 10.0


def is_back(live: Live, gone: int) -> bool:
    """Whether another controller answers, and knows every replica."""
    if psutil.pid_exists(gone) and psutil.Process(gone).status() != psutil.STATUS_ZOMBIE:
        return False
    try:
        return all(len(live.pids(name)) == 2 for name in DEPLOYMENTS)
    except (TransientError, KeyError):  # the dashboard has no controller to ask, or one that knows nothing yet
        return False
