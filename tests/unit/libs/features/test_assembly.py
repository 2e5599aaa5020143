"""Assembly: monotone where the model relies on it, shrunk where evidence is thin, unknown where nothing is known."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.features.assembly import FEATURES, MONOTONE, Requests, article_offset, assemble, misfit_rates
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, CUSTOMER_STATISTICS

counts = st.integers(0, 50).map(float)


@st.composite
def questions(draw: st.DrawFn) -> Requests:
    """One question about an article with three to eight sizes and any history."""
    values = {name: np.array([draw(counts)]) for name in (*CUSTOMER_STATISTICS, *ARTICLE_STATISTICS)}
    values |= {name: np.array([draw(st.sampled_from([np.nan, 170.0]))]) for name in CUSTOMER_BODY}
    values["scale"] = np.array([float(draw(st.integers(0, 7)))])
    size = draw(st.integers(3, 8))
    small = np.sort(np.array([draw(counts) for _ in range(size)]))[::-1].copy()
    large = np.sort(np.array([draw(counts) for _ in range(size)]))
    sizes = {"positions": 36.0 + 2 * np.arange(size), "small_at_or_above": small, "large_at_or_below": large}
    return Requests(values, sizes, np.array([0, size]))


@given(questions(), st.sampled_from([np.nan, 40.0]))
@settings(max_examples=200, deadline=None)
def test_columns_the_model_takes_as_monotone_never_fall_as_the_size_grows(requests: Requests, body: float) -> None:
    rows = assemble(requests, np.array([body]))
    for name in MONOTONE:
        column = rows[:, FEATURES.index(name)]
        assert np.isnan(column).all() or (np.diff(column) >= 0).all(), name


@given(questions())
@settings(max_examples=50, deadline=None)
def test_other_columns_are_the_same_for_every_size(requests: Requests) -> None:
    rows = assemble(requests, np.array([np.nan]))
    free = rows[:, len(MONOTONE) :]
    assert np.array_equal(free, np.repeat(free[:1], len(free), axis=0), equal_nan=True)


def level_values(**values: float) -> dict[str, npt.NDArray[np.float64]]:
    return {name: np.array([values.get(name, 0.0)]) for name in ARTICLE_STATISTICS}


def test_the_offset_of_an_article_without_history_is_its_brands() -> None:
    # 15 gaps of +1 at the brand, shrunk by 5 pseudo-gaps of 0: 15 / 20.
    assert article_offset(level_values(brand_gap_n=15, brand_gap_sum=15))[0] == 0.75


def test_an_articles_own_gaps_outweigh_its_brands_as_they_grow() -> None:
    few = article_offset(level_values(brand_gap_n=15, brand_gap_sum=15, article_gap_n=1, article_gap_sum=-1))[0]
    many = article_offset(level_values(brand_gap_n=15, brand_gap_sum=15, article_gap_n=95, article_gap_sum=-95))[0]
    assert few == (-1 + 5 * 0.75) / 6
    assert many == (-95 + 5 * 0.75) / 100


def test_misfit_rates_fall_back_level_by_level() -> None:
    rates = misfit_rates(level_values(market_n=90, market_small_n=18.75, category_n=10, category_small_n=8), "small")
    assert rates["market"][0] == 0.2
    assert rates["category"][0] == 0.5
    assert rates["brand"][0] == rates["article"][0] == 0.5


def test_an_empty_history_is_unknown_and_not_zero() -> None:
    values = {name: np.array([0.0]) for name in (*CUSTOMER_STATISTICS, *ARTICLE_STATISTICS, "scale")}
    values |= {name: np.array([np.nan]) for name in CUSTOMER_BODY}
    sizes = {name: np.array([38.0]) for name in ("positions", "small_at_or_above", "large_at_or_below")}
    row = assemble(Requests(values, sizes, np.array([0, 1])), np.array([np.nan]))[0]
    unknown = {name for name, value in zip(FEATURES, row, strict=True) if np.isnan(value)}
    assert {"gap_kept", "gap_small", "gap_large", "gap_body", "kept_spread", "height_cm"} <= unknown
    assert not {"position", "size_balance", "article_small_rate", "offset", "kept_n"} & unknown
