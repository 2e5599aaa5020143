"""When weeks are due: by the market's own clock, each week once, for other schedulers the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trainer.cli import app as trainer
from apps.trainer.schedule import cron_jobs, crontab, last_due, next_due
from libs.base.errors import DataError
from libs.base.market import Market, Schedule
from tests.environments import environment_in

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
MARKETS = st.builds(
    Market,
    name=st.just("de"),
    time_zone=st.sampled_from(ZONES),
    schedule=st.builds(
        Schedule,
        weekday=st.sampled_from(("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
        hour=st.integers(0, 23),
    ),
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(market=MARKETS, now=MOMENTS)
def test_now_is_between_the_last_and_the_next_week_which_is_the_last_one_then(market: Market, now: datetime) -> None:
    last, following = last_due(market, now), next_due(market, now)
    assert last <= now < following
    assert last_due(market, following) == following
    assert last_due(market, following - timedelta(microseconds=1)) == last
    local = (last.astimezone(ZoneInfo(market.time_zone)), following.astimezone(ZoneInfo(market.time_zone)))
    assert local[1].date() - local[0].date() == timedelta(days=7)


def test_it_is_due_at_the_hour_of_the_markets_own_clock_in_summer_and_in_winter() -> None:
    berlin = Market(name="de", time_zone="Europe/Berlin", schedule=Schedule(weekday="mon", hour=3))
    assert last_due(berlin, utc("2026-07-06T00:59")) == utc("2026-06-29T01:00")
    assert last_due(berlin, utc("2026-07-06T01:00")) == utc("2026-07-06T01:00")
    assert last_due(berlin, utc("2026-12-07T02:00")) == utc("2026-12-07T02:00")


def test_an_hour_that_the_clock_skips_is_not_a_week_that_is_missed() -> None:
    berlin = Market(name="de", time_zone="Europe/Berlin", schedule=Schedule(weekday="sun", hour=2))
    assert last_due(berlin, utc("2026-03-29T12:00")) == utc("2026-03-29T01:00")
    assert next_due(berlin, utc("2026-03-29T12:00")) == utc("2026-04-05T00:00")


def test_cron_and_kubernetes_are_told_the_same(tmp_path: Path) -> None:
    config = {"time_zone": "Europe/Berlin", "schedule": {"weekday": "sun", "hour": 4}}
    environment = environment_in(tmp_path, "e", {"de": config, "us": {}})
    submit = "trainer submit --market de --due --environment e"
    assert crontab(environment, "fitwave").splitlines()[:2] == ["CRON_TZ=Europe/Berlin", f"0 4 * * 0 fitwave {submit}"]
    assert "0 3 * * 1 fitwave trainer submit --market us" in crontab(environment, "fitwave")
    first, second = cron_jobs(environment, "registry/fitwave:1")
    assert (first["metadata"]["name"], second["metadata"]["name"]) == ("fitwave-e-de", "fitwave-e-us")
    assert (first["spec"]["schedule"], first["spec"]["timeZone"]) == ("0 4 * * 0", "Europe/Berlin")
    [container] = first["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["fitwave", *submit.split()]


def test_an_environment_that_is_not_scheduled_has_no_entries(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "e", {"de": {}}, {"scheduled": False})
    assert (crontab(environment, "fitwave"), cron_jobs(environment, "image")) == ("", [])


@pytest.mark.parametrize("command", [["cron"], ["kubernetes", "--image", "x"]])
def test_what_is_printed_then_is_a_comment(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment_in(tmp_path, "main", {"de": {}}, {"scheduled": False})
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    trainer(["schedule", *command], result_action="return_value")
    assert capsys.readouterr().out.splitlines() == [
        "# environment 'main' is not scheduled: set `scheduled: true` in its environment.yaml"
    ]


@pytest.mark.parametrize("command", ["run", "start"])
def test_a_schedule_that_is_off_is_not_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment_in(tmp_path, "main", {"de": {}}, {"scheduled": False})
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    with pytest.raises(DataError, match="is not scheduled"):
        trainer(["schedule", command], result_action="return_value")


def test_the_name_of_a_cron_job_is_one_that_kubernetes_takes(tmp_path: Path) -> None:
    environment = environment_in(tmp_path, "e" * 40, {"de": {}, "m" * 40: {}})
    names = [job["metadata"]["name"] for job in cron_jobs(environment, "image")]
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 52
