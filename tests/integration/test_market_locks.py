"""Runs of one market wait for each other, through the real Redis."""

import threading
import time

import pytest

from apps.trainer.market_locks import MarketLocks
from libs.base import redis_lock
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import TransientError


def test_a_second_run_of_a_market_waits_for_the_first_and_others_do_not(
    environment: Environment, endpoints: Endpoints
) -> None:
    told: list[str] = []
    order: list[str] = []
    first, second = MarketLocks(environment, endpoints, print), MarketLocks(environment, endpoints, told.append)

    def run_second() -> None:
        with second.held(["us"]):
            order.append("second")

    with first.held(["us", "de"]):
        assert first.busy(["de", "ch", "us"]) == ["de", "us"]
        with second.held(["ch"]):
            order.append("another market")
        waiting = threading.Thread(target=run_second)
        waiting.start()
        time.sleep(1.0)
        order.append("first")
    waiting.join(10)
    assert order == ["another market", "first", "second"]
    assert told == ["us: waiting for another run to end, or to be known to have died"]
    assert first.busy(["de", "ch", "us"]) == []


def test_a_run_whose_lock_was_lost_may_not_go_on(
    environment: Environment, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_lock, "HELD_S", 0.5)
    locks = MarketLocks(environment, endpoints, print)
    with locks.held(["us"]) as held:
        held["us"].require("the run")
        time.sleep(1.5)
        held["us"].require("the run")  # it was renewed
        held["us"].lock.release()  # as by a Redis that came back empty
        with pytest.raises(TransientError, match="the run stood still, and another may be at work by now"):
            held["us"].require("the run")
