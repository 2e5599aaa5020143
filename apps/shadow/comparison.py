"""What the shadow window shows: integrity, errors, latency, agreement, quality. Numbers only; no decision."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from apps.shadow.confidence import Interval, confidence_sequence, per_cluster
from libs.base.market import ShadowWindow
from libs.models.pair_log import COMPLETE, Counts

# |z| beyond which the share of sampled customers is not the configured one: one false alarm in 16,000 windows.
_SAMPLE_RATIO_Z = 4.0


@dataclass(frozen=True)
class Integrity:
    """Whether the log can be trusted: what was meant to be mirrored is there, and the sample is what it should be."""

    requests: int
    expected: int
    logged: int
    complete: int
    completion: float
    customers: int
    customers_sampled: int
    sample_ratio_z: float

    def faults(self, window: ShadowWindow) -> list[str]:
        """What is wrong with the log, in words."""
        found = []
        if self.completion < window.min_completion:
            found.append(f"{self.logged} of {self.expected} mirrored requests are in the log")
        if abs(self.sample_ratio_z) > _SAMPLE_RATIO_Z:
            found.append(
                f"{self.customers_sampled} of {self.customers} customers were sampled, not {window.share:.0%} of them"
            )
        return found


@dataclass(frozen=True)
class Comparison:
    """The evidence. All differences are challenger less champion, so that less is better, but for `quality`:
    the champion's log loss less the challenger's on the holdout, so that more is better.

    `error_difference`: share of sampled requests that the challenger failed (a row without the champion's answer
    cannot be: the customer had it). `latency_excess_s`: challenger's seconds less margin times champion's, at
    equal batch size. `agreement`: share of articles given the same size.
    """

    integrity: Integrity
    error_difference: Interval
    latency_excess_s: Interval
    latency_ratio: float | None
    agreement: float | None
    quality: Interval
    outcomes: dict[str, int]


def compare(pairs: pl.DataFrame, counts: Counts, losses: pl.DataFrame, window: ShadowWindow) -> Comparison:
    """Compare champion and challenger.

    Args:
        pairs: the pair log of the window.
        counts: what the routers meant to mirror.
        losses: holdout lines with the number of their `customer`, `champion` and `challenger` log loss.
        window: the market's margins; `alpha` is shared out over the three intervals.
    """
    alpha = window.alpha / 3
    complete = pairs.filter(pl.col("outcome") == COMPLETE)
    paired = _equal_batches(complete)
    return Comparison(
        integrity=_integrity(pairs, counts, window),
        error_difference=_clustered(
            (pairs["outcome"] != COMPLETE).cast(pl.Float64).to_numpy(), pairs["customer"], alpha
        ),
        latency_excess_s=_clustered(
            (paired["challenger_s"] - window.latency_margin * paired["champion_s"]).to_numpy(),
            paired["customer"],
            alpha,
        ),
        latency_ratio=_ratio(paired["challenger_s"], paired["champion_s"]),
        agreement=_agreement(complete),
        quality=_clustered((losses["champion"] - losses["challenger"]).to_numpy(), losses["customer"], alpha),
        outcomes=dict(pairs["outcome"].value_counts().iter_rows()),
    )


def _integrity(pairs: pl.DataFrame, counts: Counts, window: ShadowWindow) -> Integrity:
    expected_sample = counts.customers * window.share
    spread = math.sqrt(counts.customers * window.share * (1 - window.share))
    return Integrity(
        requests=counts.requests,
        expected=counts.expected,
        logged=len(pairs),
        complete=len(pairs.filter(pl.col("outcome") == COMPLETE)),
        completion=len(pairs) / counts.expected if counts.expected else 0.0,
        customers=counts.customers,
        customers_sampled=counts.customers_sampled,
        sample_ratio_z=(counts.customers_sampled - expected_sample) / spread if spread else 0.0,
    )


def _equal_batches(complete: pl.DataFrame) -> pl.DataFrame:
    """Pairs whose two batches had the same number of questions: only their seconds can be compared."""
    return complete.filter(pl.col("champion_batch") == pl.col("challenger_batch"))


def _clustered(values: npt.NDArray[np.float64], customers: pl.Series, alpha: float) -> Interval:
    if not len(values):
        return confidence_sequence(np.array([]), alpha)
    clusters = customers.rank("dense").to_numpy().astype(np.int64) - 1
    return confidence_sequence(per_cluster(values, clusters), alpha)


def _ratio(challenger: pl.Series, champion: pl.Series) -> float | None:
    return float(challenger.to_numpy().sum() / champion.to_numpy().sum()) if len(champion) else None


def _agreement(complete: pl.DataFrame) -> float | None:
    sizes = complete.select("champion_sizes", "challenger_sizes").explode("champion_sizes", "challenger_sizes")
    if sizes.is_empty():
        return None
    return float(sizes["champion_sizes"].eq_missing(sizes["challenger_sizes"]).mean())  # type: ignore[arg-type]


def read_losses(package: Path) -> pl.DataFrame:
    """The paired holdout losses that training left beside the package."""
    return pl.read_parquet(package / "quality.parquet").filter(pl.col("champion").is_not_null())
