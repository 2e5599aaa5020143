"""What the shadow window shows: integrity, errors, latency, agreement, quality. Numbers only; no decision."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from apps.shadow.confidence import Interval
from apps.shadow.streams import hours_of
from apps.shadow.tracks import Tracks, follow
from libs.base.market import ShadowWindow
from libs.features.arrays import Floats
from libs.models.pair_log import COMPLETE, Counts

# |z| beyond which the share of sampled customers is not the configured one: one false alarm in 16,000 windows.
SAMPLE_RATIO_Z = 4.0


@dataclass(frozen=True)
class Integrity:
    """Whether the log can be trusted: what was meant to be mirrored is there, and the sample is what it should be.

    `completion` is the share of it that is surely there: a replica that was `killed` may have begun pairs that nobody
    knows of, `lost_at_most` of them.
    """

    requests: int
    expected: int
    logged: int
    complete: int
    completion: float
    customers: int
    customers_sampled: int
    sample_ratio_z: float
    pairs_per_hour: float
    killed: int = 0
    lost_at_most: int = 0

    def told(self) -> str:
        """What is in the log and what may not be, in words."""
        there = f"{self.logged} of {self.expected} mirrored requests are in the log"
        if not self.killed:
            return there
        replicas = "1 replica was killed, which" if self.killed == 1 else f"{self.killed} replicas were killed, which"
        return f"{there}; {replicas} may have lost up to {self.lost_at_most} more"

    def faults(self, window: ShadowWindow) -> list[str]:
        """What is wrong with the log, in words."""
        found = []
        if self.completion < window.min_completion:
            found.append(self.told())
        if abs(self.sample_ratio_z) > SAMPLE_RATIO_Z:
            found.append(
                f"{self.customers_sampled} of {self.customers} customers were sampled, not {window.share:.0%} of them"
            )
        return found


@dataclass(frozen=True)
class Comparison:
    """The evidence. All differences are challenger less champion, so that less is better, but for `quality`:
    the champion's log loss less the challenger's on the holdout, so that more is better.

    `error_difference`: share of a customer's sampled requests that the challenger failed, mean over customers (a row
    without the champion's answer cannot be: the customer had it); `slices`: the same, per slice. `latency_excess_s`:
    challenger's seconds less margin times champion's, at equal batch size. `agreement`: share of articles given the
    same size. The floors are what halves of the customers differ by (`apps.shadow.noise`).
    """

    integrity: Integrity
    error_difference: Interval
    latency_excess_s: Interval
    latency_ratio: float | None
    latency_floor: float | None
    agreement: float | None
    quality: Interval
    quality_floor: float | None
    slices: dict[str, Interval]
    outcomes: dict[str, int]


def compare(pairs: pl.DataFrame, counts: Counts, losses: pl.DataFrame, window: ShadowWindow) -> Comparison:
    """Compare champion and challenger on all there is.

    Args:
        pairs: the pair log of the window.
        counts: what the routers meant to mirror.
        losses: holdout lines with the number of their `customer`, `champion` and `challenger` log loss.
        window: the market's margins; `alpha` is shared out over errors, latency, quality and slices.
    """
    now = hours_of(pairs["at"]).max(initial=0.0)
    return compare_at(pairs, [counts], losses, window, np.array([now]))[0]


def compare_at(
    pairs: pl.DataFrame, counts: Sequence[Counts], losses: pl.DataFrame, window: ShadowWindow, looks: Floats
) -> list[Comparison]:
    """The comparison as it stood at each of the looks, in hours since 1970, with the counts of that moment."""
    tracks = follow(pairs, losses, window, looks)
    return [_comparison(tracks, look, one, window) for look, one in enumerate(counts)]


def _comparison(tracks: Tracks, look: int, counts: Counts, window: ShadowWindow) -> Comparison:
    return Comparison(
        integrity=_integrity(tracks, look, counts, window),
        error_difference=tracks.errors.at(look),
        latency_excess_s=tracks.latency.at(look),
        latency_ratio=_known(tracks.latency_ratio[look]),
        latency_floor=_known(tracks.latency_floor[look]),
        agreement=_known(tracks.agreement[look]),
        quality=tracks.quality.at(look),
        quality_floor=_known(tracks.quality_floor[look]),
        slices={name: track.at(look) for name, track in tracks.slices.items() if track.n[look]},
        outcomes={name: int(seen[look]) for name, seen in tracks.outcomes.items() if seen[look]},
    )


def _integrity(tracks: Tracks, look: int, counts: Counts, window: ShadowWindow) -> Integrity:
    expected_sample = counts.customers * window.share
    spread = math.sqrt(counts.customers * window.share * (1 - window.share))
    logged = int(tracks.logged[look])
    return Integrity(
        requests=counts.requests,
        expected=counts.expected,
        logged=logged,
        complete=int(tracks.outcomes[COMPLETE][look]) if COMPLETE in tracks.outcomes else 0,
        completion=logged / (counts.expected + counts.lost_at_most) if counts.expected else 0.0,
        customers=counts.customers,
        customers_sampled=counts.customers_sampled,
        sample_ratio_z=(counts.customers_sampled - expected_sample) / spread if spread else 0.0,
        pairs_per_hour=float(tracks.pairs_per_hour[look]),
        killed=counts.killed,
        lost_at_most=counts.lost_at_most,
    )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def read_losses(package: Path) -> pl.DataFrame:
    """The paired holdout losses that training left beside the package."""
    return pl.read_parquet(package / "quality.parquet").filter(pl.col("champion").is_not_null())
