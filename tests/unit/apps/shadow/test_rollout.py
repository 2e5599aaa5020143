"""What a rollout policy holds back, and what it tells a person to do."""

import pytest
from pydantic import ValidationError

from apps.shadow.rollout import held_back, held_note, in_words, pin_note
from libs.base.market import Market, ShadowWindow
from libs.base.rollout import ApprovalRollout, CanaryRollout, PinnedRollout, ShadowRollout
from libs.models.history import History
from libs.models.ledger import Entry

TO_7 = PinnedRollout(policy="pinned", version=7)


def history(*told: tuple[str, str, str | None]) -> History:
    entries = [Entry("de", action, version, previous, "test") for action, version, previous in told]  # type: ignore[arg-type]
    return History(tuple(entries))


FIRST = ("first", "7", None)
PROMOTED = (FIRST, ("shadow", "8", "7"), ("promote", "8", "7"))


def test_what_is_shown_to_be_better_is_promoted_unless_the_config_says_otherwise() -> None:
    assert not held_back(Market(name="de").shadow.rollout)
    assert held_back(ApprovalRollout(policy="approval"))
    assert held_back(TO_7)


def test_every_policy_is_told_in_words() -> None:
    canary = CanaryRollout(policy="canary", steps=(0.05, 0.25), max_mean_ms=50)
    assert in_words(TO_7) == "pinned to v7: nothing else is promoted by a verdict"
    assert "answers 5 %, 25 % of the customers, then all" in in_words(canary)
    assert "a person promotes" in in_words(ApprovalRollout(policy="approval"))
    assert in_words(ShadowRollout()).endswith("is promoted")


@pytest.mark.parametrize(
    "rollout",
    [{"policy": "pinned"}, {"policy": "pinned", "version": 0}, {"policy": "approval", "version": 7}, {"policy": "no"}],
)
def test_a_policy_takes_its_own_settings_and_no_others(rollout: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="rollout"):
        ShadowWindow.model_validate({"rollout": rollout})


def test_what_waits_for_a_person_says_the_command() -> None:
    note = held_note(ApprovalRollout(policy="approval"), "de", "8")
    assert note.endswith("approved by nobody yet: fitwave shadow promote --market de --reason ...")
    assert held_note(TO_7, "de", "8").endswith("not promoted: pinned to v7")


def test_a_pinned_market_whose_champion_is_the_pinned_one_has_nothing_to_say() -> None:
    assert pin_note(TO_7, "de", history(FIRST, ("shadow", "8", "7"))) == ""
    assert pin_note(TO_7, "de", History()) == ""
    assert pin_note(ShadowRollout(), "de", history(*PROMOTED)) == ""


def test_a_pinned_version_that_was_champion_before_comes_back_by_rollback() -> None:
    twice = (*PROMOTED, ("shadow", "9", "8"), ("promote", "9", "8"))
    for told, champion in ((PROMOTED, "8"), (twice, "9")):
        note = pin_note(TO_7, "de", history(*told))
        assert note.startswith(f"pinned to v7, and v{champion} is champion: fitwave shadow rollback --market de ")


def test_a_pinned_version_that_is_the_challenger_is_promoted_by_hand() -> None:
    note = pin_note(TO_7, "de", history(("first", "6", None), ("shadow", "7", "6")))
    assert "fitwave shadow promote --market de" in note


def test_a_pinned_version_that_never_answered_cannot_be_brought_back() -> None:
    rejected = history(("first", "6", None), ("shadow", "7", "6"), ("reject", "7", "6"))
    assert pin_note(TO_7, "de", rejected).endswith("v7 was not champion before it; pin v6, or choose another policy")
