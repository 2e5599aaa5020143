"""The stability index."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.features.validation.stability import stability_index

counts = st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(any)


def test_it_is_the_published_sum() -> None:
    expected = (0.6 - 0.5) * math.log(0.6 / 0.5) + (0.4 - 0.5) * math.log(0.4 / 0.5)
    assert stability_index([50, 50], [6, 4]) == pytest.approx(expected)


@given(counts, st.integers(1, 50))
def test_the_same_shares_have_none(found: list[int], times: int) -> None:
    assert stability_index(found, np.array(found) * times) == pytest.approx(0, abs=1e-12)


@given(st.data())
def test_it_is_never_negative_and_the_same_both_ways(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 8))
    first, second = (
        data.draw(st.lists(st.integers(0, 1000), min_size=size, max_size=size).filter(any)) for _ in range(2)
    )
    index = stability_index(first, second)
    assert index >= -1e-12
    assert stability_index(second, first) == pytest.approx(index)


def test_a_bin_that_was_empty_is_far_and_finite() -> None:
    assert 1 < stability_index([100, 0], [50, 50]) < 10
