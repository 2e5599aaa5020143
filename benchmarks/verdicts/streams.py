"""Made-up shadow windows whose truth is known: what champion and challenger answer, fail and take, hour by hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.base.market import ShadowWindow
from libs.features.arrays import Floats, Indices
from libs.models.pair_log import COMPLETE, ERROR, Counts

WINDOW = ShadowWindow(share=0.2, min_pairs=1000, max_hours=168)
_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
# A week of a market's sample: 15 mirrored requests in the first hour, four times as many in the last.
_FIRST_HOUR, _GROWTH = 15, 4.0
# Customers of the sample; how often one asks is log-normal, so that few ask a lot.
_CUSTOMERS, _ACTIVITY = 3_000, 1.0
# Seconds of the champion: log-normal about 2 ms, by customer (how long the history is), by hour (load) and by request.
_SECONDS, _BY_CUSTOMER, _BY_HOUR, _BY_REQUEST = 0.002, 0.3, 0.2, 0.3
# A customer's proneness to fail is a Beta with this many pseudo-requests: some fail always, most never.
_PRONENESS = 2.0
# The holdout: customers whose returns are mature when the window opens, and at its end; lines each; the spread of the
# difference of log loss by customer and by line, and of the loss itself. Of a customer of one line it spreads by 0.15.
_HOLDOUT_FIRST, _HOLDOUT_LAST, _LINES = 2_000, 6_000, 2
_GAIN_BY_CUSTOMER, _GAIN_BY_LINE, _LOSS = 0.08, 0.127, 0.3

COMMON, TINY, BROKEN = "basis_history_article", "basis_market_market", "basis_body_brand"


@dataclass(frozen=True)
class Truth:
    """What the challenger is: its failure rate, seconds as a multiple of the champion's, gain of log loss.

    `slice_share` and `slice_error_rate`: a part of the requests that fails at a rate of its own.
    """

    error_rate: float = 0.001
    slower: float = 1.1
    gain: float = 0.0
    slice_share: float = 0.0
    slice_error_rate: float = 0.001


# The documented effect (docs/verdicts.md): log loss lower by this, on the holdout of the made-up windows.
EFFECT = 0.01

# All but `equal` and `worse_quality` are much better in quality, so that one thing alone is wrong with them.
SCENARIOS = {
    "equal": Truth(),
    "better": Truth(gain=EFFECT),
    "slightly_better": Truth(gain=EFFECT / 2),
    "failing": Truth(error_rate=WINDOW.error_margin, gain=3 * EFFECT),
    "slower": Truth(slower=WINDOW.latency_margin, gain=3 * EFFECT),
    "worse_quality": Truth(gain=-EFFECT),
    "failing_slice": Truth(slice_share=0.06, slice_error_rate=0.12, gain=3 * EFFECT),
    # Some 25 requests a window, which fail more often than all, and within what is allowed of a slice.
    "tiny_slice": Truth(slice_share=0.004, slice_error_rate=0.02, gain=3 * EFFECT),
}


@dataclass(frozen=True)
class Stream:
    """One window: all its pairs and holdout lines with their times, and the routers' counts at each look."""

    pairs: pl.DataFrame
    losses: pl.DataFrame
    counts: Sequence[Counts]
    looks: Floats


def made_up(truth: Truth, seed: int) -> Stream:
    """One window, looked at every hour until its time is up."""
    rng = np.random.default_rng(seed)
    total = int(WINDOW.max_hours)
    per_hour = rng.poisson(_FIRST_HOUR * np.linspace(1, _GROWTH, total))
    at = np.repeat(np.arange(total), per_hour) + rng.random(per_hour.sum())
    activity = rng.lognormal(0, _ACTIVITY, _CUSTOMERS)
    customers = rng.choice(_CUSTOMERS, len(at), p=activity / activity.sum())
    inside = rng.random(len(at)) < truth.slice_share
    rate = np.where(inside, truth.slice_error_rate, truth.error_rate)
    failed = rng.random(len(at)) < _prone(rng, rate, customers)
    champion_s = _seconds(rng, customers, at)
    challenger_s = champion_s * truth.slower * rng.lognormal(-0.02, 0.2, len(at))
    pairs = pl.DataFrame(
        {
            "customer": customers,
            "at": _times(at),
            "outcome": np.where(failed, ERROR, COMPLETE),
            "champion_sizes": _lists(np.full(len(at), "40")),
            "challenger_sizes": _lists(np.where(rng.random(len(at)) < 0.9, "40", "42")),
            "champion_s": champion_s,
            "challenger_s": challenger_s,
            "champion_batch": 1,
            "challenger_batch": 1,
            "slices": _lists(np.where(inside, BROKEN if truth.slice_share > 0.01 else TINY, COMMON)),
        }
    )
    looks = np.arange(1.0, total + 1, dtype=np.float64) + _BEGIN.timestamp() / 3600
    return Stream(pairs, _losses(rng, truth.gain, total), _counts(rng, customers, at, total), looks)


def _prone(rng: np.random.Generator, rate: Floats, customers: Indices) -> Floats:
    known = {float(one): rng.beta(one * _PRONENESS, (1 - one) * _PRONENESS, _CUSTOMERS) for one in np.unique(rate)}
    found = np.empty(len(rate))
    for one, proneness in known.items():
        found[rate == one] = proneness[customers[rate == one]]
    return found


def _seconds(rng: np.random.Generator, customers: Indices, at: Floats) -> Floats:
    by_customer, by_hour = rng.normal(0, _BY_CUSTOMER, _CUSTOMERS), rng.normal(0, _BY_HOUR, int(WINDOW.max_hours))
    return np.asarray(
        _SECONDS * np.exp(by_customer[customers] + by_hour[at.astype(np.int64)] + rng.normal(0, _BY_REQUEST, len(at)))
    )


def _losses(rng: np.random.Generator, gain: float, total: int) -> pl.DataFrame:
    """Lines of the holdout, whose returns become mature while the window is open."""
    customers = np.repeat(np.arange(_HOLDOUT_LAST), _LINES)
    first = customers < _HOLDOUT_FIRST
    champion = rng.gamma(2, _LOSS, len(customers))
    by_customer = rng.normal(0, _GAIN_BY_CUSTOMER, _HOLDOUT_LAST)
    gained = gain + by_customer[customers] + rng.normal(0, _GAIN_BY_LINE, len(customers))
    matured_at = np.where(first, 0.0, rng.random(len(customers)) * total)
    return pl.DataFrame(
        {
            "customer": customers,
            "champion": champion,
            "challenger": champion - gained,
            "matured_at": _times(matured_at),
        }
    )


def _counts(rng: np.random.Generator, customers: Indices, at: Floats, total: int) -> list[Counts]:
    """What routers that lose nothing count: the sample's customers are a share of all there are."""
    looks = np.arange(1, total + 1)
    order = np.argsort(at)
    first = at[order][np.unique(customers[order], return_index=True)[1]]
    sampled = np.searchsorted(np.sort(first), looks, side="right")
    others = np.cumsum(rng.poisson(np.diff(sampled, prepend=0) * (1 / WINDOW.share - 1)))
    pairs = np.searchsorted(at[order], looks, side="right")
    return [
        Counts(round(count / WINDOW.share), int(count), 0, int(known + rest), int(known))
        for count, known, rest in zip(pairs, sampled, others, strict=True)
    ]


def _times(at: Floats) -> pl.Series:
    return pl.Series((_BEGIN.timestamp() * 1e6 + at * 3.6e9).astype(np.int64)).cast(pl.Datetime("us", "UTC"))


def _lists(values: npt.NDArray[np.str_]) -> pl.Series:
    return pl.Series(values).reshape((len(values), 1)).arr.to_list()
