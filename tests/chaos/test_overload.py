"""Too much is asked, or what answers is too slow."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from libs.base.market import Replicas
from tests.chaos.conftest import Live, until
from tests.chaos.flood import Flood, flooded
from tests.chaos.load import loaded, percentile_ms
from tests.chaos.test_killed_replicas import sleep_until

Figure = Callable[[str], None]

_TIMES = 5
_FULL = 128  # connections that find out how much is answered
_REST_S = 0.5
_AFTER_S = 10.0


@pytest.mark.timeout(300, func_only=True)
@pytest.mark.row(
    "9",
    "5 x capacity for 60 s",
    "only 200, 429, 503 + Retry-After; accepted p99 <= 2 x that at capacity; recovery <= 5 s",
)
def test_what_is_too_much_is_turned_away_at_once_and_the_rest_is_answered(live: Live, figure: Figure) -> None:
    calm_plan = replace(live.plan, seconds=20.0)
    with loaded(calm_plan) as calm, flooded(Flood(calm_plan, _FULL, 0.0)) as full:
        pass
    capacity = full.answered_per_s
    flood = Flood(live.plan, int(_TIMES * capacity * _REST_S), _REST_S)
    with loaded(replace(live.plan, seconds=live.plan.seconds + _AFTER_S)) as load, flooded(flood) as found:
        pass
    end = load.began + live.plan.seconds
    during = [one for one in load.answers if one.at < end]
    accepted = percentile_ms([one for one in during if one.status == 200], 0.99)
    at_capacity = percentile_ms([one for one in calm.answers if one.status == 200], 0.99)
    late = [one.at + one.took - end for one in load.answers if one.status != 200 or 1000 * one.took > at_capacity]
    statuses = Counter(one.status for one in load.answers)
    broken = [one for one in load.failed if one.status != 429 and not (one.status == 503 and one.says_when)]
    figure(
        f"{capacity:,.0f} requests/s at capacity, {found.offered_per_s:,.0f} offered: {dict(found.statuses)}, of the "
        f"watched {dict(statuses)}; {len(broken)} other; accepted p99 {accepted:.0f} ms, at capacity {at_capacity:.0f} "
        f"ms; {len(live.wrong(load))} wrong; recovered after {max([0.0, *late]):.1f} s"
    )
    assert set(found.statuses) <= {200, 429, 503}
    assert broken == []
    assert live.wrong(load) == []
    assert accepted <= 2 * at_capacity
    assert max([0.0, *late]) <= 5.0


def scored(live: Live) -> float:
    """Articles that models have answered, by the count of those replicas that live."""
    time.sleep(6.0)  # every replica tells its counts meanwhile
    text = httpx.get(f"{live.plan.url}/metrics", timeout=20).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return sum(one.value for one in samples if one.name == "fitwave_batch_articles_sum")


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("10", "models slower than the deadline", "504 by deadline + 100 ms; the work is cancelled")
def test_what_is_too_slow_is_given_up_at_the_deadline_and_not_done_later(live: Live, figure: Figure) -> None:
    deadline_s = live.environment.serving.gateway.timeout_s
    models = live.pids("SizeModel")
    before = scored(live)
    for pid in models:
        os.kill(pid, signal.SIGSTOP)
    try:
        with loaded(replace(live.plan, rate=10.0, seconds=2.0)) as load:
            pass
    finally:
        for pid in models:
            os.kill(pid, signal.SIGCONT)
    done = scored(live) - before
    slowest = max(one.took for one in load.answers)
    statuses = Counter(one.status for one in load.answers)
    figure(
        f"{dict(statuses)}; the slowest after {slowest:.3f} s of {deadline_s:g}; "
        f"{done:.0f} of {len(load.answers)} questions were worked on later"
    )
    assert live.pids("SizeModel") == models
    assert set(statuses) == {504}
    assert slowest <= deadline_s + 0.1
    assert done == 0


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("8", "a gateway is taken away with 50 slow requests in flight", "50/50 complete; gone <= 25 s")
def test_what_is_in_flight_is_answered_before_a_replica_goes(live: Live, figure: Figure) -> None:
    before = live.pids("Gateway")
    models = live.pids("SizeModel")
    for pid in models:
        os.kill(pid, signal.SIGSTOP)
    try:
        with loaded(replace(live.plan, rate=50.0, seconds=1.0)) as load, ThreadPoolExecutor(1) as pool:
            sleep_until(load, 1.0)
            begin = time.monotonic()
            going = pool.submit(lambda: live.scale(2, replicas=Replicas(min=1, max=1)))
            time.sleep(1.5)
            for pid in models:
                os.kill(pid, signal.SIGCONT)
            going.result()
            until(lambda: len(live.pids("Gateway")) == 1)
            took = time.monotonic() - begin
            [left] = live.pids("Gateway")
            until(lambda: not any(alive(pid) for pid in set(before) - {left}))
            took = time.monotonic() - begin
    finally:
        for pid in models:
            os.kill(pid, signal.SIGCONT)
        live.scale(2)
    figure(
        f"{sum(one.status == 200 for one in load.answers)}/{len(load.answers)} complete {load.faults() or ''}; "
        f"gone after {took:.1f} s"
    )
    assert load.failed == []
    assert took <= 25.0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timeout(400, func_only=True)
@pytest.mark.row("rolling change", "1 -> 3 -> 1 replicas of everything, and a changed setting, under L", "0 failures")
def test_a_changed_config_and_more_and_fewer_replicas_fail_no_question(live: Live, figure: Figure) -> None:
    try:
        live.scale(1)
        with loaded(replace(live.plan, seconds=240.0)) as load:
            live.scale(3)
            live.scale(3, timeout_s=4.0)
            live.scale(1, timeout_s=4.0)
            changed_s = time.time() - load.began
    finally:
        live.scale(2)
    assert changed_s < 240.0, "the load ended before the changes did"
    figure(f"{load}; {len(live.wrong(load))} wrong; all three changes within {changed_s:.0f} s")
    assert load.failed == []
    assert live.wrong(load) == []
