"""What a ledger comes to."""

from dataclasses import replace
from typing import Any

from libs.models.history import NOBODY, History, Roles
from libs.models.ledger import Entry


def entry(action: Any, version: str, before: str | None, at: str = "2026-03-01") -> Entry:
    return Entry("de", action, version, before, "why", at=at)


def history(*told: tuple[Any, str, str | None], found: Roles = NOBODY) -> History:
    return History(tuple(entry(*one, at=f"day {at}") for at, one in enumerate(told)), found=found)


def test_each_entry_changes_roles_and_begins_a_window() -> None:
    told = [
        ("first", "1", None),
        ("shadow", "2", "1"),
        ("shadow", "3", "1"),
        ("promote", "3", "1"),
        ("rollback", "1", "3"),
    ]
    roles = [history(*told[:number]).roles for number in range(6)]
    assert [(one.champion, one.challenger) for one in roles] == [
        (None, None),
        ("1", None),
        ("1", "2"),
        ("1", "3"),
        ("3", None),
        ("1", None),
    ]
    assert [one.window for one in roles] == [None, None, "v2-day 1", "v3-day 2", None, None]


def test_a_window_begins_again_when_the_champion_goes_back() -> None:
    told = [("first", "1", None), ("shadow", "2", "1"), ("promote", "2", "1"), ("shadow", "3", "2")]
    assert history(*told).roles.window == "v3-day 3"
    assert history(*told, ("rollback", "1", "2")).roles.window == "v3-day 4"


def test_the_steps_of_a_canary_leave_the_window_alone_and_any_other_change_ends_it() -> None:
    told = [("first", "2", None), ("shadow", "3", "2")]
    before, steps = history(*told), history(*told)
    for share in (0.05, 0.25):
        steps = steps.with_entry(replace(entry("canary", "3", "2"), canary_share=share))
        assert (steps.roles.champion, steps.roles.challenger, steps.roles.canary_share) == ("2", "3", share)
        assert steps.roles.window == before.roles.window
        assert steps.canary == steps.entries[-1]
    assert before.canary is None
    for end in (("promote", "3", "2"), ("reject", "3", "2"), ("rollback", "1", "2"), ("shadow", "4", "2")):
        ended = steps.with_entry(entry(*end))
        assert (ended.roles.canary_share, ended.canary) == (None, None)
    assert steps.with_entry(entry("promote", "3", "2")).promotions()[-1].window == before.roles.window


def test_a_version_that_could_not_be_deployed_leaves_its_role() -> None:
    assert history(("first", "1", None), ("withdraw", "1", None)).roles.champion is None
    withdrawn = history(("first", "1", None), ("shadow", "2", "1"), ("withdraw", "2", "1"))
    assert (withdrawn.roles.champion, withdrawn.roles.challenger) == ("1", None)
    assert withdrawn.statuses() == {"2": {"fitwave.status": "not deployed", "fitwave.reason": "why"}}


def test_what_became_of_a_version_is_said_by_the_last_entry_about_it() -> None:
    told = [("first", "1", None), ("shadow", "2", "1"), ("shadow", "3", "1"), ("promote", "3", "1")]
    assert {version: tags["fitwave.status"] for version, tags in history(*told).statuses().items()} == {
        "2": "replaced",
        "3": "promoted",
    }
    later = history(*told, ("rollback", "1", "3"))
    assert later.statuses()["3"] == {"fitwave.status": "rolled back", "fitwave.reason": "why"}


def test_going_back_twice_goes_two_champions_back() -> None:
    told = [
        ("first", "1", None),
        ("shadow", "2", "1"),
        ("promote", "2", "1"),
        ("shadow", "3", "2"),
        ("promote", "3", "2"),
    ]
    assert history(*told).champion_before("3") == "2"
    assert history(*told, ("rollback", "2", "3")).champion_before("2") == "1"
    assert history(*told).champion_before("1") is None


def test_a_promotion_names_the_window_that_it_ended_and_who_was_champion_in_it() -> None:
    told = [("first", "1", None), ("shadow", "2", "1"), ("shadow", "3", "1"), ("promote", "3", "1")]
    entries = [replace(one, at=f"2026-03-0{day}") for day, one in enumerate(history(*told).entries, 1)]
    [found] = History(tuple(entries)).promotions()
    assert (found.version, found.previous, found.at.isoformat()) == ("3", "1", "2026-03-04T00:00:00")
    assert found.window == History(tuple(entries[:3])).roles.window
    back = Entry("de", "rollback", "1", "3", "why")
    assert History((*entries, back)).promotions() == [found]


def test_where_the_ledger_is_lost_the_registry_s_champion_stays_and_the_next_entry_goes_on_from_it() -> None:
    found = Roles("7", None)
    assert history(found=found).roles.champion == "7"
    assert history(("shadow", "8", "7"), found=found).roles.champion == "7"
    assert history(("shadow", "8", "7")).roles.champion == "7"
