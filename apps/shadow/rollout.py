"""What a market's rollout policy makes of its verdicts, in words that say what a person can do."""

from libs.base.rollout import PinnedRollout, Rollout
from libs.models.history import History


def held_back(rollout: Rollout) -> bool:
    """Whether a verdict of promote promotes nothing by itself."""
    return rollout.policy != "shadow"


def pinned_to(rollout: Rollout) -> str | None:
    """The version that a person has pinned the market to, if any."""
    return str(rollout.version) if isinstance(rollout, PinnedRollout) else None


def held_note(rollout: Rollout, market: str, challenger: str) -> str:
    """What is said of a challenger that was shown to be better, and is held back."""
    pinned = pinned_to(rollout)
    if pinned is not None:
        return f"v{challenger} was shown to be better, and is not promoted: pinned to v{pinned}"
    return f"v{challenger} was shown to be better, approved by nobody yet: {_by_hand('promote', market)}"


def pin_note(rollout: Rollout, market: str, history: History) -> str:
    """Who answers where a market is pinned to another version, and what to do; empty where all is as the config says.

    The policy itself swaps nothing: a version that answers now has been promoted by somebody, or was there before.
    """
    pinned, champion = pinned_to(rollout), history.roles.champion
    if pinned is None or champion in (None, pinned):
        return ""
    return f"pinned to v{pinned}, and v{champion} is champion: {_way_back(pinned, market, history)}"


def _way_back(pinned: str, market: str, history: History) -> str:
    if pinned == history.roles.challenger:
        return _by_hand("promote", market)
    before = history.roles.champion
    while before not in (None, pinned):
        before = history.champion_before(before)
    if before == pinned:
        return f"{_by_hand('rollback', market)}, until it is v{pinned}"
    return f"v{pinned} was not champion before it; pin v{history.roles.champion}, or choose another policy"


def _by_hand(command: str, market: str) -> str:
    return f"fitwave shadow {command} --market {market} --reason ..."
