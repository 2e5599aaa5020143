"""Rows of the online store for tests: an article of one size, and a customer with so much history."""

from typing import Any

import numpy as np

from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_RANGE, SIZE_STATISTICS
from libs.features.sizes import SCALES
from libs.features.snapshot import OnlineRow
from tests.small_market import AS_OF


def article(scale: str, lines: float) -> OnlineRow:
    """An article of one size whose every statistic is `lines`."""
    values: dict[str, Any] = {"brand": "b", "scale": SCALES.index(scale), "sizes": ["38"]}
    values |= dict.fromkeys((*ARTICLE_STATISTICS, *SIZE_RANGE), lines)
    values |= {name: [lines] for name in ("positions", *SIZE_STATISTICS)}
    return OnlineRow(values, AS_OF)


def customer(kept: int, body: float = np.nan) -> OnlineRow:
    """A customer who kept so many footwear sizes, and whose body suggests a size."""
    values: dict[str, Any] = dict.fromkeys(CUSTOMER_BODY) | {"body_positions": [body] * len(SCALES)}
    values |= {"history_scale": [SCALES.index("footwear-women")] * kept, "history_brand": ["b"] * kept}
    values |= {f"history_{name}": [1.0] * kept for name in ("position", "kept", "small", "large")}
    return OnlineRow(values, AS_OF)
