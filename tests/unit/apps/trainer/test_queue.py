"""What becomes of a week that ends, and how its state reads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from apps.trainer.jobs_table import print_jobs
from apps.trainer.queue import Entry
from libs.base.environment import Trainer
from tests.environments import environment_in

NOW = datetime(2026, 7, 6, 4, tzinfo=UTC)
ASKED = Entry("de", "2026-07-06T00:00:00+00:00", "2026-07-06T01:00:00+00:00")
TRAINER = Trainer(retries=2, retry_minutes=10)


def test_what_was_rejected_is_done_and_not_tried_again() -> None:
    ended = ASKED.begun("job", NOW).ended("rejected", "judge: auc_macro", TRAINER, NOW)
    assert (ended.state, ended.outcome, ended.reason) == ("done", "rejected", "judge: auc_macro")


def test_what_failed_is_tried_again_later_each_time_until_it_has_failed_for_good() -> None:
    entry, waits = ASKED, []
    for _ in range(2):
        entry = entry.begun("job", NOW).ended("failed", "train: no memory", TRAINER, NOW)
        assert entry.state == "queued"
        waits.append(datetime.fromisoformat(entry.not_before) - NOW)
    assert waits == [timedelta(minutes=10), timedelta(minutes=20)]
    entry = entry.begun("job", NOW).ended("failed", "train: no memory", TRAINER, NOW)
    assert (entry.state, entry.attempts, entry.reason) == ("failed", 3, "train: no memory")


def test_the_table_says_what_is_due_and_how_far_each_week_is_and_where_its_log_is(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "e", {"de": {}, "us": {"schedule": {"weekday": "fri", "hour": 5}}})
    running = ASKED.begun("fitwave-e-de-1", NOW - timedelta(seconds=90))
    failed = Entry("us", ASKED.as_of, ASKED.queued_at, "failed", 3, outcome="failed", reason="train: [no] memory")
    console = Console(width=200, record=True)
    print_jobs(console, environment, [running, failed], lambda job: f"http://ray/#/jobs/{job}", NOW)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    assert ["us", "2026-07-10 05:00", "due", "", "", ""] in rows
    assert ["de", "2026-07-06 00:00", "running", "1", "90 s", ""] in rows
    assert ["us", "2026-07-06 00:00", "failed", "3", "", "failed"] in rows
    console = Console(width=200, record=True)
    print_jobs(console, environment, [running, failed], lambda job: f"http://ray/#/jobs/{job}", NOW)
    shown = console.export_text()
    assert "us train: [no] memory" in shown
    assert "log: fitwave trainer logs fitwave-e-de-1  http://ray/#/jobs/fitwave-e-de-1" in shown


def test_where_nothing_is_scheduled_nothing_is_due(tmp_path: Path) -> None:
    console = Console(width=200, record=True)
    print_jobs(console, environment_in(tmp_path, "e", {"de": {}}, {"scheduled": False}), [], str, NOW)
    assert "due" not in console.export_text()
