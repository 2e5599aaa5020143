"""What a market's rollout policy makes of its verdicts, in words that say what a person can do."""

from libs.base.rollout import ApprovalRollout, CanaryRollout, PinnedRollout, Rollout
from libs.models.history import History


def held_back(rollout: Rollout) -> bool:
    """Whether a verdict of promote waits for a person."""
    return rollout.policy in ("approval", "pinned")


def pinned_to(rollout: Rollout) -> str | None:
    """The version that a person has pinned the market to, if any."""
    return str(rollout.version) if isinstance(rollout, PinnedRollout) else None


def in_words(rollout: Rollout) -> str:
    """What the policy makes of a verdict of promote."""
    match rollout:
        case CanaryRollout():
            steps = ", ".join(name_of(share) for share in rollout.steps)
            return (
                f"canary: what is shown to be better answers {steps} of the customers, then all, and goes when surely "
                f"more than {rollout.max_error_share:.2%} fail or the mean is surely over {rollout.max_mean_ms:g} ms"
            )
        case ApprovalRollout():
            return "approval: a person promotes what is shown to be better"
        case PinnedRollout():
            return f"pinned to v{rollout.version}: nothing else is promoted by a verdict"
    return "shadow: what is shown to be better is promoted"


def name_of(share: float) -> str:
    """A share of the customers in words."""
    return f"{100 * share:g} %"


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
