"""How markets are shared out to ranks."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from libs.base.market import Market
from libs.models.assignment import Assignment
from libs.models.shared_group import share_out

SIZES = st.lists(st.integers(1, 10_000), min_size=1, max_size=30)


def assignments(sizes: list[int]) -> list[Assignment]:
    return [Assignment(Market(name=f"m{n}"), "", Path(f"m{n}"), lines) for n, lines in enumerate(sizes)]


@given(sizes=SIZES, ranks=st.integers(1, 5))
def test_every_market_has_one_rank_and_no_rank_has_much_more_than_another(sizes: list[int], ranks: int) -> None:
    """The bound of largest-first scheduling: a rank is ahead of another by no more than its last, smallest, market."""
    shares = share_out(assignments(sizes), ranks)
    names = [one.market.name for share in shares for one in share]
    assert sorted(names) == sorted(one.market.name for one in assignments(sizes))
    loads = [sum(one.lines for one in share) for share in shares]
    for share, load in zip(shares, loads, strict=True):
        if share:
            assert load - share[-1].lines <= min(loads)
