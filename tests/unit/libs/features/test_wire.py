"""What is packed is what is unpacked, bit for bit."""

from typing import Any

import numpy as np
import pytest

from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_RANGE, SIZE_STATISTICS
from libs.features.sizes import SCALES
from libs.features.snapshot import OnlineRow, Snapshot, snapshot
from libs.features.wire import pack, unpack
from tests.small_market import AS_OF


def article(sizes: int) -> OnlineRow:
    """An article of so many sizes, each number of it another one."""
    values: dict[str, Any] = {"brand": "b", "scale": 1, "sizes": [str(38 + size) for size in range(sizes)]}
    values |= {name: float(index) / 3 for index, name in enumerate((*ARTICLE_STATISTICS, *SIZE_RANGE))}
    values |= {
        name: [index + size / 7 for size in range(sizes)] for index, name in enumerate(("positions", *SIZE_STATISTICS))
    }
    return OnlineRow(values, AS_OF)


def customer(entries: int) -> OnlineRow:
    """A customer with so many entries of history, who told nothing about the body."""
    values: dict[str, Any] = dict.fromkeys(CUSTOMER_BODY) | {"body_positions": [np.nan] * len(SCALES)}
    values |= {"history_scale": [1] * entries, "history_brand": ["b"] * entries}
    values |= {f"history_{name}": [float(i) for i in range(entries)] for name in ("position", "kept", "small", "large")}
    return OnlineRow(values, AS_OF)


def columns(of: Snapshot) -> list[tuple[str, bytes]]:
    requests = of.requests
    named: dict[str, Any] = {
        **requests.values,
        **requests.size_values,
        **{f"h_{name}": one for name, one in requests.history.items()},
    }
    named |= {"offsets": requests.offsets, "history_offsets": requests.history_offsets, "chosen": requests.chosen}
    return [(name, column.tobytes()) for name, column in sorted(named.items())]


@pytest.mark.parametrize(
    "asked",
    [
        snapshot([], []),
        snapshot([0], [(None, article(1))]),
        snapshot(
            [1, 2, 5],
            [(customer(3), article(4)), (None, article(2)), (customer(0), article(7))],
            [None, "39", "x"],
        ),
    ],
    ids=["nothing is online", "one", "three"],
)
def test_a_snapshot_comes_back_as_it_was(asked: Snapshot) -> None:
    back = unpack(pack(asked))
    assert (back.known, back.sizes) == (asked.known, asked.sizes)
    assert columns(back) == columns(asked)


def test_a_part_of_what_came_back_is_that_part_of_the_whole() -> None:
    whole = snapshot([0, 2], [(customer(3), article(4)), (customer(1), article(2))])
    assert columns(unpack(pack(whole)).select([2])) == columns(whole.select([2]))
