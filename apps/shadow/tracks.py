"""What is followed through a window: errors, latency, quality, agreement, each at any number of looks in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from apps.shadow.agreement import agreement
from apps.shadow.confidence import Track, track_mean, track_share
from apps.shadow.noise import latency_floor, quality_floor
from apps.shadow.streams import Stream, hours_of
from libs.base.market import ShadowWindow
from libs.features.arrays import Flags, Floats
from libs.models.pair_log import COMPLETE
from libs.models.pair_slices import PAIR_SLICES

# Errors, latency, quality and the slices together each take a part of the market's alpha.
PARTS = 4


def alpha_of_part(window: ShadowWindow) -> float:
    """What each of errors, latency and quality may err, on both sides together."""
    return window.alpha / PARTS


def alpha_of_slice(window: ShadowWindow) -> float:
    """The slices' part, shared out over all that there can be, so that it does not matter which come to be seen."""
    return window.alpha / PARTS / len(PAIR_SLICES)


@dataclass(frozen=True)
class Tracks:
    """Everything at each of l looks: tracks, and arrays (l,) that are NaN where there is nothing to compute from."""

    errors: Track
    latency: Track
    quality: Track
    slices: Mapping[str, Track]
    latency_ratio: Floats
    latency_floor: Floats
    quality_floor: Floats
    agreement: Floats
    outcomes: Mapping[str, Floats]
    logged: Floats
    pairs_per_hour: Floats


def follow(pairs: pl.DataFrame, losses: pl.DataFrame, window: ShadowWindow, looks: Floats) -> Tracks:
    """Follow a window through looks (l,), in hours as `hours_of` gives them.

    `losses` may say when each line had `matured_at`; without, all lines are there from the beginning.
    """
    alpha = alpha_of_part(window)
    # Numbers are sorted many times faster than pseudonyms.
    pairs = pairs.with_columns(pl.col("customer").rank("dense"))
    at = hours_of(pairs["at"])
    complete = (pairs["outcome"] == COMPLETE).to_numpy()
    requests = Stream.of(~complete, pairs["customer"], at)
    paired = _equal_batches(pairs)
    paired_at = hours_of(paired["at"])
    excess = Stream.of(
        paired["challenger_s"] - window.latency_margin * paired["champion_s"], paired["customer"], paired_at
    )
    champion = Stream.of(paired["champion_s"], paired["customer"], paired_at)
    challenger = Stream.of(paired["challenger_s"], paired["customer"], paired_at)
    gain = Stream.of(losses["champion"] - losses["challenger"], losses["customer"], _matured(losses))
    return Tracks(
        errors=track_share(requests, looks, alpha, window.error_margin),
        latency=track_mean(excess, looks, alpha),
        quality=track_mean(gain, looks, alpha),
        slices=_slices(pairs, at, ~complete, window, looks),
        latency_ratio=_ratio(challenger.total(challenger.values, looks), champion.total(champion.values, looks)),
        latency_floor=latency_floor(champion, looks),
        quality_floor=quality_floor(gain, looks),
        agreement=agreement(pairs, looks),
        outcomes={name: _count(at[(pairs["outcome"] == name).to_numpy()], looks) for name in pairs["outcome"].unique()},
        logged=_count(at, looks),
        pairs_per_hour=_count(at, looks) / np.maximum(looks - at.min(initial=np.inf), 1e-3),
    )


def _equal_batches(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs whose two batches had the same number of questions: only their seconds can be compared."""
    return pairs.filter(pl.col("outcome") == COMPLETE, pl.col("champion_batch") == pl.col("challenger_batch"))


def _matured(losses: pl.DataFrame) -> Floats:
    return hours_of(losses["matured_at"]) if "matured_at" in losses.columns else np.full(len(losses), -np.inf)


def _slices(pairs: pl.DataFrame, at: Floats, failed: Flags, window: ShadowWindow, looks: Floats) -> dict[str, Track]:
    """Pairs that were not completed, per slice; of a log that is older than slices there are none."""
    if "slices" not in pairs.columns:
        return {}
    rows = pairs.with_row_index().select("index", "slices").explode("slices").drop_nulls()
    found = {}
    for (name,), part in rows.group_by("slices"):
        chosen = part["index"].unique().to_numpy()
        stream = Stream.of(failed[chosen], pairs["customer"][chosen], at[chosen])
        found[str(name)] = track_share(stream, looks, alpha_of_slice(window), window.slice_error_margin)
    return dict(sorted(found.items()))


def _count(at: Floats, looks: Floats) -> Floats:
    return np.searchsorted(np.sort(at), looks, side="right").astype(np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
