"""Promote, reject or extend, with the reason for each: guardrails must not be worse, quality must be better."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from apps.shadow.comparison import Comparison
from apps.shadow.confidence import Interval
from libs.base.market import ShadowWindow

Finding = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class Check:
    """One part of the verdict, in words a person can check against the numbers."""

    name: str
    finding: Finding
    detail: str


@dataclass(frozen=True)
class Verdict:
    """The decision and all it rests on."""

    decision: Literal["promote", "reject", "extend"]
    reason: str
    checks: list[Check]
    comparison: Comparison

    def evidence(self) -> dict[str, Any]:
        """All of it as plain values, for the ledger and the registry."""
        return asdict(self)


def decide(comparison: Comparison, window: ShadowWindow, hours: float) -> Verdict:
    """Judge a window that has been open for `hours`.

    A part that the data cannot settle yet is `open` and never vetoes; when the window's time is up, what is still
    open counts as not shown, and the challenger goes.
    """
    checks = [
        _integrity(comparison, window),
        _volume(comparison, window),
        _guardrail("errors", comparison.error_difference, window.error_margin, "of mirrored requests failed", "{:.2%}"),
        _guardrail(
            "latency", comparison.latency_excess_s, 0.0, f"s over {window.latency_margin:g} x champion", "{:.6f}"
        ),
        _quality(comparison.quality, window.quality_margin),
    ]
    bad = [check for check in checks if check.finding == "bad"]
    still_open = [check for check in checks if check.finding == "open"]
    if bad:
        return Verdict("reject", _say(bad), checks, comparison)
    if not still_open:
        return Verdict("promote", "no worse in errors and latency, better in quality", checks, comparison)
    if hours >= window.max_hours:
        return Verdict(
            "reject", f"not shown to be better in {window.max_hours:g} h: {_say(still_open)}", checks, comparison
        )
    return Verdict("extend", _say(still_open), checks, comparison)


def _integrity(comparison: Comparison, window: ShadowWindow) -> Check:
    faults = comparison.integrity.faults(window)
    detail = (
        "; ".join(faults) or f"{comparison.integrity.logged} of {comparison.integrity.expected} mirrored are logged"
    )
    return Check("integrity", "open" if faults else "good", detail)


def _volume(comparison: Comparison, window: ShadowWindow) -> Check:
    logged = comparison.integrity.logged
    enough = logged >= window.min_pairs
    return Check("volume", "good" if enough else "open", f"{logged} of the {window.min_pairs} pairs that are needed")


def _guardrail(name: str, interval: Interval, margin: float, unit: str, form: str) -> Check:
    """Non-inferiority: good once all of the interval is within the margin, bad once all of it is beyond."""
    lower, upper, mean = (form.format(value) for value in (interval.lower, interval.upper, interval.mean))
    detail = f"{mean} {unit}, between {lower} and {upper}, at most {form.format(margin)} is allowed"
    if interval.upper <= margin:
        return Check(name, "good", detail)
    return Check(name, "bad" if interval.lower > margin else "open", detail)


def _quality(interval: Interval, margin: float) -> Check:
    """Superiority: good once all of the interval is above the margin, bad once all of it is at or below."""
    detail = (
        f"log loss lower by {interval.mean:.5f}, between {interval.lower:.5f} and {interval.upper:.5f} "
        f"over {interval.n} customers, more than {margin:g} is needed"
    )
    if interval.lower > margin:
        return Check("quality", "good", detail)
    return Check("quality", "bad" if interval.upper <= margin else "open", detail)


def _say(checks: list[Check]) -> str:
    return "; ".join(f"{check.name}: {check.detail}" for check in checks)
