"""The slices of a pair: where its article belongs, and what its features rest on."""

import numpy as np

from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_RANGE, SIZE_STATISTICS
from libs.features.sizes import SCALES
from libs.features.snapshot import OnlineRow, snapshot
from libs.models.pair_slices import PAIR_SLICES, pair_slices
from tests.small_market import AS_OF


def article(scale: str, lines: float) -> OnlineRow:
    """An article of one size whose every statistic is `lines`."""
    values = {"brand": "b", "scale": SCALES.index(scale), "sizes": ["38"]}
    values |= dict.fromkeys((*ARTICLE_STATISTICS, *SIZE_RANGE), lines)
    values |= {name: [lines] for name in ("positions", *SIZE_STATISTICS)}
    return OnlineRow(values, AS_OF)


def customer(kept: int, body: float = np.nan) -> OnlineRow:
    """A customer who kept so many footwear sizes, and whose body suggests a size."""
    values = dict.fromkeys(CUSTOMER_BODY) | {"body_positions": [body] * len(SCALES)}
    values |= {"history_scale": [SCALES.index("footwear-women")] * kept, "history_brand": ["b"] * kept}
    values |= {f"history_{name}": [1.0] * kept for name in ("position", "kept", "small", "large")}
    return OnlineRow(values, AS_OF)


def test_each_question_is_in_its_division_and_its_basis() -> None:
    asked = snapshot(
        [0, 2, 3],
        [
            (customer(3), article("footwear-women", 5.0)),
            (None, article("apparel-men", 0.0)),
            (customer(0, body=40.0), article("apparel-kids", 1.0)),
        ],
    )
    assert pair_slices(asked, 4) == [
        ["division_footwear", "basis_history_article"],
        [],  # not online
        ["division_apparel", "basis_market_market"],
        ["division_apparel", "basis_body_article"],
    ]


def test_all_slices_are_known_beforehand() -> None:
    assert len(set(PAIR_SLICES)) == len(PAIR_SLICES) == 14
    assert {"division_apparel", "division_footwear", "basis_body_brand"} < set(PAIR_SLICES)
