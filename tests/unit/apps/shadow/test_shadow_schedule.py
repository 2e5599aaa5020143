"""What sees to windows without a person: a market that fails holds up no other; every scheduler is told the same."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.shadow import scheduler as scheduler_module
from apps.shadow.cli import app as shadow
from apps.shadow.schedule import cron_jobs, crontab
from apps.shadow.scheduler import Scheduler, look
from libs.base.endpoints import endpoints_file
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.models.ledger import Entry, Ledger
from libs.models.lifecycle import Lifecycle
from tests.environments import NOWHERE, environment_in


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Two markets, each with a champion; the ledger of `de` is damaged, and no store but the ledger is there."""
    found = environment_in(tmp_path, "e", {"de": {}, "us": {}}, {"shadow": {"look_every_minutes": 2, "review_hour": 5}})
    ledger = Ledger(found.home)
    for market in ("de", "us"):
        ledger.append(Entry(market, "first", "1", None, ""), after=0)
        ledger.settle(market, 1)
    (found.home / "ledger" / "de" / "000001.json").write_text("{")
    endpoints_file(found).write_text(NOWHERE.model_dump_json(), encoding="utf-8")
    return found


def test_a_market_that_cannot_be_looked_at_is_told_and_the_next_is_looked_at(environment: Environment) -> None:
    told: list[str] = []
    assert look(Lifecycle.of(environment, NOWHERE), told.append) == 2
    assert "de: not looked at" in told[0] and "is not a ledger entry" in told[0]
    assert told[1] == "us: nothing is guarded"
    assert "us: not looked at: Redis does not answer" in told[3]


class Jobs:
    """The cluster's jobs, as far as they were asked for."""

    def __init__(self, asked: list[list[str]]) -> None:
        self._asked = asked

    def new_id(self, what: str) -> str:
        return what

    def submit(self, job: str, command: Any, metadata: Any) -> None:
        self._asked.append(list(command))


def test_promotions_are_reviewed_once_a_day_from_its_hour_on(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(scheduler_module, "ClusterJobs", lambda *_: Jobs(asked))
    scheduler = Scheduler("e", lambda _: None)
    reviews = []
    for day, hour in ((1, 4), (1, 5), (1, 23), (2, 0), (2, 6)):
        scheduler.turn(environment, datetime(2026, 3, day, hour, tzinfo=UTC))
        reviews.append(len(asked))
    assert reviews == [0, 1, 1, 1, 2]
    assert asked[0] == ["review", "--all"]


def test_cron_and_kubernetes_are_told_the_same(environment: Environment) -> None:
    looks, reviews = "shadow schedule look --environment e", "shadow review --all --environment e"
    assert crontab(environment, "fitwave").splitlines() == [
        "CRON_TZ=UTC",
        f"*/2 * * * * fitwave {looks}",
        f"0 5 * * * fitwave {reviews}",
    ]
    told = cron_jobs(environment, "registry/fitwave:1")
    for one, name in zip(told, ("look", "review"), strict=True):
        assert one["metadata"]["name"].startswith(f"fitwave-e-shadow-{name}-")
    assert [one["spec"]["schedule"] for one in told] == ["*/2 * * * *", "0 5 * * *"]
    commands = [one["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"] for one in told]
    assert commands == [["fitwave", *looks.split()], ["fitwave", *reviews.split()]]


def test_an_environment_that_is_not_scheduled_has_no_entries_and_no_schedule_runs_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = environment_in(tmp_path, "main", {"de": {}}, {"scheduled": False})
    assert (crontab(environment, "fitwave"), cron_jobs(environment, "image")) == ("", [])
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    why = "environment 'main' is not scheduled: set `scheduled: true` in its environment.yaml"
    for command in (["cron"], ["kubernetes", "--image", "x"]):
        shadow(["schedule", *command], result_action="return_value")
        assert capsys.readouterr().out.splitlines()[0] == f"# {why}"
    for command in (["run"], ["start"]):
        with pytest.raises(DataError, match="is not scheduled"):
            shadow(["schedule", *command], result_action="return_value")
