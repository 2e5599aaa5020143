"""The page of a market's window as it stands: table and plots from the same rows."""

from pathlib import Path

from apps.shadow.page import WindowPage
from apps.shadow.promotion import Shadow, judge_window
from apps.shadow.rollout import name_of
from apps.shadow.verdict import Verdict
from libs.models.lifecycle import Lifecycle


def write_page(lifecycle: Lifecycle, shadow: Shadow, path: Path) -> Verdict:
    """Judge the window, write its page, and give the verdict back."""
    page = judged_page(lifecycle, shadow)
    page.write(path)
    return page.verdict


def judged_page(lifecycle: Lifecycle, shadow: Shadow) -> WindowPage:
    """Judge the window; the page that tells it."""
    window = lifecycle.environment.market(shadow.market).shadow
    judged = judge_window(lifecycle, shadow)
    about = (
        f"champion v{shadow.champion.number}, challenger v{shadow.challenger.number}, window {shadow.window}, "
        f"open for {shadow.hours:.1f} of {window.max_hours:g} h"
    )
    if (share := shadow.roles.canary_share) is not None:
        about += f", canary at {name_of(share)} of the customers, of whom the window knows nothing since"
    return WindowPage(shadow.market, about, judged.verdict, judged.pairs, judged.losses, window)
