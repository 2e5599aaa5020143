"""Crossing is looking up each pair, without a loop over pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.features.assembly import assemble
from libs.features.cross import Articles, cross
from libs.features.snapshot import Article, OnlineRow, snapshot
from tests.anybody import article, customer
from tests.small_market import AS_OF


@given(seed=st.integers(0, 10_000), customers=st.integers(1, 5), articles=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_every_pair_is_laid_out_as_a_live_question_bit_for_bit(seed: int, customers: int, articles: int) -> None:
    rng = np.random.default_rng(seed)
    asking = [OnlineRow(customer(rng), AS_OF) if rng.random() < 0.8 else None for _ in range(customers)]
    asked = [OnlineRow(article(rng), AS_OF) for _ in range(articles)]
    pairs = [(one, other) for one in asking for other in asked]
    live = snapshot(list(range(len(pairs))), pairs).requests
    crossed = cross(asking, Articles.of([Article.of(one) for one in asked]))
    for columns in ("values", "size_values", "history"):
        ours, theirs = getattr(crossed, columns), getattr(live, columns)
        assert ours.keys() == theirs.keys()
        for name, column in ours.items():
            assert column.tobytes() == theirs[name].tobytes(), name
    for indices in ("offsets", "history_offsets", "chosen"):
        assert getattr(crossed, indices).tolist() == getattr(live, indices).tolist()
    assert assemble(crossed).rows.tobytes() == assemble(live).rows.tobytes()


def test_nobody_is_asked_about_nothing() -> None:
    crossed = cross([], Articles.of([Article.of(OnlineRow(article(np.random.default_rng(1)), AS_OF))]))
    assert crossed.offsets.tolist() == [0]


def test_there_must_be_an_article() -> None:
    with pytest.raises(ValueError, match="need at least one array"):
        Articles.of([])
