"""The plots of a window's page, each as an inline SVG."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from apps.shadow.confidence import Track
from libs.features.arrays import Floats
from libs.models.report.drawing import INK, PLACEHOLDER, SOFT, svg

_ACCENT, _LARGE = PLACEHOLDER["accent"], PLACEHOLDER["large"]
_SIZE = (5.4, 3.6)
# How much of the band around the last look is in view, in half widths: the first looks know nothing, and would
# flatten all others.
_IN_VIEW = 3.0
# A window that has been open for less is drawn in minutes.
_SHORT_H = 2.0


def track_plot(name: str, label: str, track: Track, hours: Floats, margin: float, unit: float = 1.0) -> str:
    """A mean with its confidence band at each of `hours` (l,) since the window opened, and the margin; in `unit`s."""

    def draw(axes: Axes) -> None:
        short = hours.max(initial=0.0) < _SHORT_H
        elapsed = 60 * hours if short else hours
        known = np.isfinite(track.lower) & np.isfinite(track.upper) & (track.n > 0)
        mean, lower, upper = (np.where(known, part, np.nan) / unit for part in (track.mean, track.lower, track.upper))
        axes.fill_between(elapsed, lower, upper, color=_ACCENT, alpha=0.2, linewidth=0, label="confidence sequence")
        axes.plot(elapsed, mean, color=_ACCENT, label="mean")
        axes.axhline(margin / unit, color=_LARGE, linestyle="--", linewidth=1.5, label="margin")
        axes.set_xlabel(f"{'minutes' if short else 'hours'} since the window opened")
        axes.set_ylabel(label)
        if known[-1]:
            reach = _IN_VIEW * max(upper[-1] - mean[-1], mean[-1] - lower[-1], abs(margin / unit - mean[-1]) / 2)
            # A share is never below 0.
            lowest = 0.0 if lower[-1] >= 0 and not np.any(lower < 0) else mean[-1] - reach
            axes.set_ylim(lowest, mean[-1] + reach)
        axes.legend(loc="best")

    return svg(name, draw, _SIZE)


def agreement_plot(sizes: Sequence[str], same: Sequence[float]) -> str:
    """The share of articles given the same size, by the size that the champion named."""

    def draw(axes: Axes) -> None:
        place = np.arange(len(sizes))
        axes.bar(place, 100 * np.array(same), color=_ACCENT, width=0.7)
        axes.set_xticks(place, sizes, rotation=45 if len(sizes) > 8 else 0)
        axes.set(ylim=(0, 102))
        axes.set_xlabel("size the champion named")
        axes.set_ylabel("same size from the challenger (%)")
        axes.grid(visible=False, axis="x")

    return svg("agreement", draw, _SIZE)


def sample_ratio_plot(share: float, configured: float, customers: int, z: float) -> str:
    """The share of customers that was sampled, and what chance may make of the configured one."""

    def draw(axes: Axes) -> None:
        reach = 100 * z * np.sqrt(configured * (1 - configured) / max(customers, 1))
        axes.axvspan(100 * configured - reach, 100 * configured + reach, color=SOFT, alpha=0.2, linewidth=0)
        axes.axvline(100 * configured, color=SOFT, linestyle="--", linewidth=1)
        axes.plot([100 * share], [0], "o", color=_ACCENT, markersize=10)
        axes.annotate(f"{share:.2%}", (100 * share, 0), (0, 12), textcoords="offset points", ha="center", color=INK)
        axes.set_yticks([])
        axes.set(ylim=(-1, 1))
        axes.set_xlabel("customers in the sample (%)")

    return svg("sample-ratio", draw, (5.4, 1.8))
