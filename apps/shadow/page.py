"""A window's verdict as one HTML page that needs nothing but itself: plots, and every number in a table."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from apps.shadow.agreement import agreement_by_size
from apps.shadow.comparison import SAMPLE_RATIO_Z
from apps.shadow.confidence import Interval
from apps.shadow.plots import agreement_plot, sample_ratio_plot, track_plot
from apps.shadow.streams import hours_of
from apps.shadow.tracks import Tracks, alpha_of_part, alpha_of_slice, follow
from apps.shadow.verdict import Verdict
from libs.base.market import ShadowWindow
from libs.models.report import drawing

# Style and macros are those of the model report: the two pages stand side by side.
_TEMPLATES = (Path(__file__).parent, Path(drawing.__file__).parent)
_LOOKS = 80
_MOST_SIZES = 16
# How a decision looks.
STATES = {"promote": "good", "reject": "bad", "extend": "none"}


def templates(*folders: Path) -> Environment:
    """The templates of this app and those of `folders`; whatever is put into one is text in it, never markup."""
    return Environment(
        loader=FileSystemLoader((*folders, *_TEMPLATES)), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


@dataclass(frozen=True)
class WindowPage:
    """What a page tells: the window, its verdict, and the rows that the verdict was made from."""

    market: str
    about: str
    verdict: Verdict
    pairs: pl.DataFrame
    losses: pl.DataFrame
    window: ShadowWindow

    def write(self, path: Path) -> None:
        path.write_text(self.render(), encoding="utf-8")

    def render(self) -> str:
        """The page. Whatever comes from the market's data is text in it, never markup."""
        return templates().get_template("window.html").render(self.parts())

    def parts(self) -> dict[str, Any]:
        """What `window_parts.html` is made of, for every page that it is a part of."""
        sizes = agreement_by_size(self.pairs)
        return {
            "page": self,
            "state": STATES[self.verdict.decision],
            "figures": self._figures(sizes),
            "intervals": self._intervals(),
            "numbers": self._numbers(),
            "sizes": sizes.rows(),
        }

    def _figures(self, sizes: pl.DataFrame) -> list[dict[str, str]]:
        integrity = self.verdict.comparison.integrity
        found = self._over_time() if len(self.pairs) else []
        if len(sizes):
            top = sizes.head(_MOST_SIZES)
            found.append(
                {
                    "svg": agreement_plot(top["size"].to_list(), top["same"].to_list()),
                    "title": "Agreement by size",
                    "how": "How often the challenger names the size that the champion named, the most frequent first.",
                }
            )
        if integrity.customers:
            share = integrity.customers_sampled / integrity.customers
            found.append(
                {
                    "svg": sample_ratio_plot(share, self.window.share, integrity.customers, SAMPLE_RATIO_Z),
                    "title": "Sample ratio",
                    "how": f"The share of {integrity.customers:,} customers that is in the sample; the band is what "
                    f"chance makes of the configured {self.window.share:.0%}.",
                }
            )
        return found

    def _over_time(self) -> list[dict[str, str]]:
        at = hours_of(self.pairs["at"])
        looks = np.linspace(at.min(), at.max(), _LOOKS)
        tracks: Tracks = follow(self.pairs, self.losses, self.window, looks)
        hours, window = looks - looks[0], self.window
        band = "The band holds at all looks together; it settles the check once it is on one side of the dashed margin."
        return [
            {
                "svg": track_plot("errors", "failed (%)", tracks.errors, hours, window.error_margin, 0.01),
                "title": "Errors",
                "how": f"Mirrored requests that the challenger failed; good is below the margin. {band}",
            },
            {
                "svg": track_plot("latency", "excess (ms)", tracks.latency, hours, 0.0, 0.001),
                "title": "Latency",
                "how": f"Challenger's milliseconds less {window.latency_margin:g} times the champion's; good is below "
                f"zero. {band}",
            },
            {
                "svg": track_plot("quality", "gain of log loss", tracks.quality, hours, window.quality_margin),
                "title": "Quality",
                "how": f"The champion's log loss less the challenger's, on the holdout; good is above it. {band}",
            },
        ]

    def _intervals(self) -> list[dict[str, Any]]:
        comparison, window = self.verdict.comparison, self.window
        part = alpha_of_part(window)
        rows: list[tuple[str, Interval, float, float, float]] = [
            ("errors (%)", comparison.error_difference, window.error_margin, part, 100),
            ("latency excess (ms)", comparison.latency_excess_s, 0.0, part, 1_000),
            ("quality, gain of log loss", comparison.quality, window.quality_margin, part, 1),
            *(
                (f"errors, {name} (%)", interval, window.slice_error_margin, alpha_of_slice(window), 100)
                for name, interval in comparison.slices.items()
            ),
        ]
        return [
            {
                "name": name,
                "values": [shown(scale * one) for one in (of.mean, of.lower, of.upper, margin, of.deviation)],
                "customers": f"{of.n:,}",
                "per_hour": shown(of.per_hour),
                "alpha": shown(alpha),
            }
            for name, of, margin, alpha, scale in rows
        ]

    def _numbers(self) -> list[tuple[str, str]]:
        comparison = self.verdict.comparison
        integrity = comparison.integrity
        return [
            ("requests of the market", f"{integrity.requests:,}"),
            ("meant to be mirrored", f"{integrity.expected:,}"),
            ("in the log", f"{integrity.logged:,}"),
            ("complete", f"{integrity.complete:,}"),
            *((f"outcome {name}", f"{count:,}") for name, count in sorted(comparison.outcomes.items())),
            ("replicas that were killed", f"{integrity.killed:,}"),
            ("lost with them at most", f"{integrity.lost_at_most:,}"),
            ("completion of the log", shown(integrity.completion)),
            ("customers", f"{integrity.customers:,}"),
            ("customers in the sample", f"{integrity.customers_sampled:,}"),
            ("sample ratio, z", shown(integrity.sample_ratio_z)),
            ("pairs an hour", shown(integrity.pairs_per_hour)),
            ("mean seconds, of the champion's", shown(comparison.latency_ratio)),
            ("noise floor of latency", shown(comparison.latency_floor)),
            ("noise floor of quality", shown(comparison.quality_floor)),
            ("agreement of sizes", shown(comparison.agreement)),
            ("hours still needed", shown(self.verdict.hours_needed)),
        ]


def shown(value: float | None) -> str:
    """A number of a table; what is not known or has no bound yet is said."""
    if value is None:
        return "unknown"
    return f"{value:.4g}" if math.isfinite(value) else "no bound yet"
