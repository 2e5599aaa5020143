"""The page of a market's window as it stands: table and plots from the same rows."""

from pathlib import Path

from apps.shadow.comparison import compare, read_losses
from apps.shadow.page import WindowPage
from apps.shadow.promotion import Shadow
from apps.shadow.verdict import Verdict, decide
from libs.features.lake import Lake
from libs.models.lifecycle import Lifecycle
from libs.models.pair_log import read_window


def write_page(lifecycle: Lifecycle, shadow: Shadow, path: Path) -> Verdict:
    """Judge the window, write its page, and give the verdict back."""
    window = lifecycle.environment.market(shadow.market).shadow
    pairs, counts = read_window(Lake.open(lifecycle.environment.lake), shadow.market, shadow.window)
    losses = read_losses(Path(shadow.challenger.ref.path))
    verdict = decide(compare(pairs, counts, losses, window), window, shadow.hours)
    about = (
        f"champion v{shadow.champion.number}, challenger v{shadow.challenger.number}, window {shadow.window}, "
        f"open for {shadow.hours:.1f} of {window.max_hours:g} h"
    )
    WindowPage(shadow.market, about, verdict, pairs, losses, window).write(path)
    return verdict
