"""Promote, reject or extend, with the reason for each: guardrails must not be worse, quality must be better."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from apps.shadow.checks import Check, checks_of
from apps.shadow.comparison import Comparison
from apps.shadow.forecast import in_words
from libs.base.market import ShadowWindow


@dataclass(frozen=True)
class Verdict:
    """The decision and all it rests on; `hours_needed` until nothing is open, None when that is not in sight."""

    decision: Literal["promote", "reject", "extend"]
    reason: str
    checks: list[Check]
    comparison: Comparison
    hours_needed: float | None = None

    def evidence(self) -> dict[str, Any]:
        """All of it as plain values, for the ledger and the registry; what is infinite is null, as JSON has it."""
        return {name: plain(value) for name, value in asdict(self).items()}


def decide(comparison: Comparison, window: ShadowWindow, hours: float, shown: bool = False) -> Verdict:
    """Judge a window that has been open for `hours`.

    A part that the data cannot settle yet is `open` and never vetoes; when the window's time is up, what is still
    open counts as not shown, and the challenger goes. `shown`: everything has been shown before in this window, and
    since then a person is waited for; then time alone rejects nothing.
    """
    left = max(0.0, window.max_hours - hours)
    checks = checks_of(comparison, window, left)
    bad = [check for check in checks if check.finding == "bad"]
    still_open = [check for check in checks if check.finding == "open"]
    if bad:
        return Verdict("reject", _say(bad), checks, comparison)
    if not still_open:
        return Verdict("promote", "no worse in errors and latency, better in quality", checks, comparison)
    if not left and not shown:
        return Verdict(
            "reject", f"not shown to be better in {window.max_hours:g} h: {_say(still_open)}", checks, comparison
        )
    needed = max(check.hours_needed for check in still_open)
    reason = f"{in_words(needed, left, window.max_hours)}: {_say(still_open)}"
    return Verdict("extend", reason, checks, comparison, needed if math.isfinite(needed) else None)


def _say(checks: list[Check]) -> str:
    return "; ".join(f"{check.name}: {check.detail}" for check in checks)


def plain(value: Any) -> Any:
    """Evidence as JSON has it; what is infinite is null."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
