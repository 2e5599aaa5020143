"""Redis is killed, or stands still, while shoppers ask."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

from infra.stack.redis_server import answers, server_command
from libs.base.redis_url import RedisUrl
from tests.chaos.conftest import Live, until
from tests.chaos.load import Load, loaded
from tests.chaos.test_killed_replicas import sleep_until

Figure = Callable[[str], None]


def recovered_s(load: Load, back_at: float) -> float:
    """Seconds from the store's return to the last answer that was degraded."""
    return max([0.0, *(one.at - back_at for one in load.answers if one.degraded is not None)])


def unmarked(load: Load, away_at: float, back_at: float) -> int:
    """Answers of the time when the store was certainly away that do not say so."""
    certain = [one for one in load.answers if away_at + 1.0 < one.at and one.at + one.took < back_at]
    return sum(one.status == 200 and one.degraded is None for one in certain)


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("11", "SIGKILL Redis under L, start it again 15 s later", "0 5xx; marked degraded; recovery <= 5 s")
def test_a_killed_redis_degrades_answers_and_fails_none(live: Live, figure: Figure) -> None:
    server = live.process("redis")
    command = server_command(live.environment.home, RedisUrl.parse(live.endpoints.redis_url).nodes[0][1])
    with loaded(live.plan) as load:
        sleep_until(load, 10)
        away_at = time.time()
        server.kill()
        sleep_until(load, 25)
        again_at = time.time()
        live.adopt("redis", subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True).pid)
        until(lambda: answers(live.endpoints.redis_url))
        back_at = time.time()
    degraded = sum(one.degraded is not None for one in load.answers)
    found = unmarked(load, away_at, again_at)
    figure(
        f"{load}; {degraded} degraded, {found} unmarked; {len(live.wrong(load))} wrong; "
        f"whole again after {recovered_s(load, back_at):.1f} s"
    )
    assert load.failed == []
    assert live.wrong(load) == []
    assert degraded > 0
    assert found == 0
    assert recovered_s(load, back_at) <= 5.0


@pytest.mark.timeout(200, func_only=True)
@pytest.mark.row("12", "SIGSTOP Redis for 30 s under L", "0 5xx; p99 <= 300 ms")
def test_a_redis_that_stands_still_delays_nobody(live: Live, figure: Figure) -> None:
    server = live.process("redis")
    with loaded(live.plan) as load:
        sleep_until(load, 10)
        away_at = time.time()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            sleep_until(load, 40)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        back_at = time.time()
    found = unmarked(load, away_at, back_at)
    figure(
        f"{load}; {found} unmarked; {len(live.wrong(load))} wrong; whole again after {recovered_s(load, back_at):.1f} s"
    )
    assert load.failed == []
    assert live.wrong(load) == []
    assert found == 0
    assert load.p99_ms() <= 300
    assert psutil.pid_exists(server.pid)
