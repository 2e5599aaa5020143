"""The slices of a pair: where its article belongs, and what its features rest on."""

from libs.features.snapshot import snapshot
from libs.models.pair_slices import PAIR_SLICES, pair_slices
from tests.unit.libs.models.online_rows import article, customer


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
