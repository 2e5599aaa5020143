"""Customers and articles drawn by chance, as the online store would have them: any that there could be."""

from typing import Any

import numpy as np

from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_STATISTICS
from libs.features.sizes import SCALES


def customer(rng: np.random.Generator) -> dict[str, Any]:
    """Anybody: without history, with any history on any scale, of one person or two, with any body or none."""
    places = rng.choice(np.arange(30 * 64, 60 * 64), rng.integers(0, 7), replace=False)
    entries = sorted((int(rng.integers(len(SCALES))), float(place / 64)) for place in places)
    counts = {name: rng.integers(0, 6, len(entries)).astype(float).tolist() for name in ("kept", "small", "large")}
    body = {name: float(rng.uniform(20, 2000)) if rng.random() < 0.7 else None for name in CUSTOMER_BODY}
    suggested = [float(rng.integers(30, 60)) if rng.random() < 0.7 else np.nan for _ in SCALES]
    return {
        **body,
        "body_positions": suggested,
        "history_scale": [scale for scale, _ in entries],
        "history_position": [position for _, position in entries],
        "history_brand": rng.choice(["own", "other"], len(entries)).tolist(),
        **{f"history_{name}": values for name, values in counts.items()},
    }


def article(rng: np.random.Generator) -> dict[str, Any]:
    """Anything with sizes: sold never or often, with statistics that add up."""
    positions = np.sort(rng.choice(np.arange(32, 58), rng.integers(1, 9), replace=False)).astype(float)
    count = len(positions)
    small, fit, large = (rng.integers(0, 20, count) * (rng.random() < 0.7) for _ in range(3))
    statistics = {
        "small_at_or_above": small[::-1].cumsum()[::-1],
        "not_small_at_or_below": (fit + large).cumsum(),
        "large_at_or_below": large.cumsum(),
        "not_large_at_or_above": (fit + small)[::-1].cumsum()[::-1],
        "small_at": small,
        "large_at": large,
        "lines_at": small + fit + large,
    }
    assert statistics.keys() == set(SIZE_STATISTICS)
    return {
        "scale": int(rng.integers(len(SCALES))),
        "brand": "own",
        "sizes": [f"{position:g}" for position in positions],
        "positions": positions.tolist(),
        **{name: values.astype(float).tolist() for name, values in statistics.items()},
        **{name: float(rng.integers(0, 50)) for name in ARTICLE_STATISTICS},
        "size_step": float(np.median(np.diff(positions))) if count > 1 else 0.0,
        "size_low": positions[0],
        "size_high": positions[-1],
    }
