"""Weeks that were asked for are admitted in turn, and tried again, but not for ever: the real Redis and Ray's jobs."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from apps.trainer import dispatcher as dispatcher_module
from apps.trainer.dispatcher import Dispatcher
from apps.trainer.jobs import TrainerJobs
from apps.trainer.queue import Entry, WeekQueue
from apps.trainer.schedule import last_due
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment, load_environment
from tests.session import SESSION_FOLDER

AS_OF = datetime(2026, 7, 6, tzinfo=UTC)
NOW = datetime(2026, 7, 8, 12, tzinfo=UTC)


@pytest.fixture
def dispatcher(environment: Environment, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dispatcher]:
    """Two jobs at a time, and one more try at once; the jobs read the same config."""
    monkeypatch.setenv("FITWAVE_CONFIG", str(SESSION_FOLDER / "config"))
    monkeypatch.setattr(dispatcher_module, "_LOOK_EVERY_S", 0.3)
    file = SESSION_FOLDER / "config" / "test" / "environment.yaml"
    before = file.read_text(encoding="utf-8")
    trainer = {"jobs_at_once": 2, "retries": 1, "retry_minutes": 0}
    file.write_text(yaml.safe_dump(yaml.safe_load(before) | {"trainer": trainer}), encoding="utf-8")
    settings = load_environment("test", SESSION_FOLDER / "config")
    queue = WeekQueue(settings, endpoints)
    yield Dispatcher(settings, queue, TrainerJobs(settings, endpoints), print)
    file.write_text(before, encoding="utf-8")
    for entry in queue.entries():
        queue.remove(entry)


def by_market(queue: WeekQueue) -> dict[str, Entry]:
    return {one.market: one for one in queue.entries()}


def test_markets_of_one_cut_off_share_a_job_and_what_fails_is_tried_once_more_by_itself(
    dispatcher: Dispatcher,
) -> None:
    queue = dispatcher.queue
    for market in ("nobody", "empty"):
        assert queue.add(market, AS_OF, NOW)
        assert not queue.add(market, AS_OF, NOW), "it waits already"
    assert queue.add("empty", AS_OF - timedelta(weeks=1), NOW + timedelta(seconds=1))
    dispatcher.tick(NOW)
    running = [one for one in queue.entries() if one.state == "running"]
    assert {one.market for one in running} == {"nobody", "empty"}
    assert len({one.job for one in running}) == 1
    assert [one.as_of for one in queue.entries() if one.state == "queued"] == ["2026-06-29T00:00:00+00:00"]
    dispatcher.drain()
    entries = queue.entries()
    assert [(one.state, one.attempts, one.outcome) for one in entries] == [("failed", 2, "failed")] * 3
    assert "preprocess: table 'customers' has no data for market 'empty'" in by_market(queue)["empty"].reason
    assert len({one.job for one in entries}) == 3, "the second tries were one job each"
    assert queue.add("empty", AS_OF, NOW), "what has failed may be asked for again"


def test_a_job_that_dies_is_noticed(dispatcher: Dispatcher) -> None:
    queue = dispatcher.queue
    queue.add("nobody", AS_OF, NOW)
    dispatcher.tick(NOW)
    job = by_market(queue)["nobody"].job
    dispatcher.jobs.stop(job)
    deadline = time.monotonic() + 60
    while dispatcher.jobs.fault(job) is None:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    [entry] = queue.entries()
    assert entry.state == "running", "it has not said what came of the week"
    queue.put(replace(entry, attempts=2))  # its last try
    dispatcher.tick(NOW)
    [entry] = queue.entries()
    assert (entry.state, entry.attempts) == ("failed", 2)
    assert "ended (stopped) and did not say what came of the week" in entry.reason


def test_a_week_that_was_missed_is_caught_up_once(dispatcher: Dispatcher) -> None:
    queue, markets = dispatcher.queue, dispatcher.environment.markets
    dispatcher.ask_for_due(NOW)
    dispatcher.ask_for_due(NOW + timedelta(minutes=1))
    assert {one.market: one.as_of for one in queue.entries()} == {
        name: last_due(market, NOW).isoformat() for name, market in markets.items()
    }
    assert len(queue.entries()) == len(markets)
    dispatcher.ask_for_due(NOW + timedelta(weeks=4))
    assert len(queue.entries()) == 2 * len(markets)
