"""The parts of a verdict, each with its finding, in words a person can check against the numbers."""

import math
from dataclasses import dataclass
from typing import Literal

from apps.shadow.comparison import Comparison
from apps.shadow.confidence import Interval
from apps.shadow.forecast import hours_for_mean, hours_for_share
from apps.shadow.tracks import alpha_of_part, alpha_of_slice
from libs.base.market import ShadowWindow

Finding = Literal["good", "bad", "open", "untold"]


@dataclass(frozen=True)
class Check:
    """One part of the verdict. `hours_needed`: until an open one can be told; infinite when that is not in sight.

    `untold`: a slice with too little traffic to be told in this window; it holds nothing up.
    """

    name: str
    finding: Finding
    detail: str
    hours_needed: float = 0.0

    @property
    def told(self) -> str:
        """The finding in a table; of an open one, in how many hours it can be told."""
        if self.finding == "untold":
            return "not told"
        if self.finding != "open":
            return self.finding
        return (
            f"open, {math.ceil(self.hours_needed)} h" if math.isfinite(self.hours_needed) else "open, no end in sight"
        )


def checks_of(comparison: Comparison, window: ShadowWindow, left: float) -> list[Check]:
    """All checks, of a window that has so many hours `left`: integrity first, slices last."""
    return [
        _integrity(comparison, window),
        _volume(comparison, window),
        _errors(comparison.error_difference, window),
        _latency(comparison, window),
        _quality(comparison, window),
        *(_slice(name, interval, window, left) for name, interval in comparison.slices.items()),
    ]


def _integrity(comparison: Comparison, window: ShadowWindow) -> Check:
    integrity = comparison.integrity
    faults = integrity.faults(window)
    detail = "; ".join(faults) or integrity.told()
    return Check("integrity", "open", detail, math.inf) if faults else Check("integrity", "good", detail)


def _volume(comparison: Comparison, window: ShadowWindow) -> Check:
    logged, per_hour = comparison.integrity.logged, comparison.integrity.pairs_per_hour
    detail = f"{logged} of the {window.min_pairs} pairs that are needed"
    if logged >= window.min_pairs:
        return Check("volume", "good", detail)
    return Check("volume", "open", detail, (window.min_pairs - logged) / per_hour if per_hour else math.inf)


def _errors(interval: Interval, window: ShadowWindow) -> Check:
    """Non-inferiority: good once all of the interval is within the margin, bad once all of it is beyond."""
    detail = _error_detail(interval, window.error_margin)
    finding = _below(interval, window.error_margin)
    needed = hours_for_share(interval, window.error_margin, alpha_of_part(window)) if finding == "open" else 0.0
    return Check("errors", finding, detail, needed)


def _latency(comparison: Comparison, window: ShadowWindow) -> Check:
    """Non-inferiority, where the champion's own halves differ by less than the margin; beside it, by less than that."""
    interval, floor, ratio = comparison.latency_excess_s, comparison.latency_floor, comparison.latency_ratio
    detail = (
        f"{_times(ratio)} the champion's mean; {interval.mean:.6f} s over {window.latency_margin:g} x champion, "
        f"between {interval.lower:.6f} and {interval.upper:.6f}, at most 0 is allowed; two halves of the champion's "
        f"own differ by {_share(floor)}"
    )
    finding = _below(interval, 0.0)
    if finding != "open" and not _above_floor(finding, floor, ratio, window.latency_margin):
        return Check("latency", "open", f"{detail}: that is noise", math.inf)
    needed = hours_for_mean(interval, 0.0, alpha_of_part(window)) if finding == "open" else 0.0
    return Check("latency", finding, detail, needed)


def _above_floor(finding: Finding, floor: float | None, ratio: float | None, margin: float) -> bool:
    if floor is None or ratio is None:
        return False
    return floor < (margin - min(1.0, ratio) if finding == "good" else ratio - 1)


def _quality(comparison: Comparison, window: ShadowWindow) -> Check:
    """Superiority: good once all of the interval is above the margin, bad once all of it is at or below."""
    interval, margin, floor = comparison.quality, window.quality_margin, comparison.quality_floor
    detail = (
        f"log loss lower by {interval.mean:.5f}, between {interval.lower:.5f} and {interval.upper:.5f} "
        f"over {interval.n} customers, more than {margin:g} is needed"
    )
    if interval.upper <= margin:
        return Check("quality", "bad", detail)
    if interval.lower > margin and floor is not None and interval.mean > floor:
        return Check("quality", "good", detail)
    if interval.lower > margin:
        return Check("quality", "open", f"{detail}; one half of the customers does not show it", math.inf)
    if not interval.per_hour:
        return Check("quality", "open", f"{detail}; the holdout does not grow by waiting", math.inf)
    return Check("quality", "open", detail, hours_for_mean(interval, margin, alpha_of_part(window)))


def _slice(name: str, interval: Interval, window: ShadowWindow, left: float) -> Check:
    """Bad only when surely so. What this window's traffic cannot tell is said, and holds nothing up."""
    margin = window.slice_error_margin
    detail, finding = _error_detail(interval, margin), _below(interval, margin)
    if finding != "open":
        return Check(name, finding, detail)
    needed = hours_for_share(interval, margin, alpha_of_slice(window))
    return Check(name, "open", detail, needed) if needed <= left else Check(name, "untold", detail)


def _below(interval: Interval, margin: float) -> Finding:
    if interval.upper <= margin:
        return "good"
    return "bad" if interval.lower > margin else "open"


def _error_detail(interval: Interval, margin: float) -> str:
    return (
        f"{interval.mean:.2%} of mirrored requests failed, between {interval.lower:.2%} and {interval.upper:.2%} over "
        f"{interval.n} customers, at most {margin:.2%} is allowed"
    )


def _times(ratio: float | None) -> str:
    return "unknown times" if ratio is None else f"{ratio:.2f} times"


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.1%}"
