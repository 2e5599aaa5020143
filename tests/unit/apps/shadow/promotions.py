"""Made-up windows of promoted versions, whose truth is known: who was shown what, what they bought, what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices
from libs.models.ordinal import log_losses

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# By how much a piece may be off and still fit, and how soon that turns, in sizes.
_ROOM, _BLUR = 0.7, 0.25


@dataclass(frozen=True)
class Customers:
    """How many there are, how many lines each has, and how many follow the size that they are shown.

    With `knowing`, they buy only where they see that it is right: what they know of themselves, no model does.
    """

    number: int = 1500
    lines: int = 2
    following: float = 0.7
    knowing: bool = False


def window(rng: np.random.Generator, champion: float, challenger: float, customers: Customers) -> pl.DataFrame:
    """Lines with both losses and their exposure; the models' errors about a customer's size have these deviations."""
    n = customers.number * customers.lines
    right = rng.uniform(36, 48, n)
    shown_at, other_at = right + rng.normal(0, champion, n), right + rng.normal(0, challenger, n)
    shown, other = np.round(shown_at), np.round(other_at)
    follows = rng.random(n) < customers.following
    bought = np.where(follows, shown, np.round(right + rng.normal(0, 0.4, n)))
    drawn = rng.random(n)
    outcome = (drawn[:, None] > np.cumsum(_likely(bought, right, 0.0), axis=1)).sum(axis=1).clip(0, 2)
    hours = pl.Series(np.sort(rng.uniform(0, 168, n)) * 3.6e9).cast(pl.Duration("us"))
    lines = pl.DataFrame(
        {
            "customer": rng.integers(0, customers.number, n),
            "previous": _losses(bought, shown_at, champion, outcome),
            "promoted": _losses(bought, other_at, challenger, outcome),
            "same_size": shown == other,
            "not_followed": bought != shown,
            "led": (bought == shown) & (shown != other),
        }
    ).with_columns(matured_at=pl.lit(BEGIN + timedelta(days=28)).cast(pl.Datetime("us", "UTC")) + hours)
    return lines.filter(pl.Series(np.abs(bought - right) < _ROOM)) if customers.knowing else lines


def _likely(size: Floats, right: Floats, unsure: float) -> Floats:
    """P(small), P(fit), P(large), (n, 3), for who takes `right` for the size, give or take `unsure`."""
    blur = np.hypot(_BLUR, unsure / 1.7)
    small, large = (1 / (1 + np.exp(-(off - _ROOM) / blur)) for off in (right - size, size - right))
    return np.column_stack([small, np.maximum(1 - small - large, 1e-3), large])


def _losses(size: Floats, right: Floats, unsure: float, outcome: Indices) -> Floats:
    predicted = _likely(size, right, unsure)
    return log_losses(predicted / predicted.sum(axis=1, keepdims=True), outcome.astype(np.int8))
