"""Assembly: monotone where the model relies on it, shrunk where evidence is thin, unknown where nothing is known."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings

from libs.features.assembly import (
    FEATURES,
    FREE,
    MONOTONE,
    NOT_CHOSEN,
    Requests,
    article_offset,
    assemble,
    misfit_rates,
)
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY
from tests.unit.libs.features.questions import asked, questions


@given(questions())
@settings(max_examples=200, deadline=None)
def test_columns_the_model_takes_as_monotone_never_fall_as_the_size_grows(requests: Requests) -> None:
    for rows in by_person(requests):
        for name in MONOTONE:
            column = rows[:, FEATURES.index(name)]
            assert np.isnan(column).all() or (np.diff(column) >= 0).all(), name


@given(questions())
@settings(max_examples=100, deadline=None)
def test_other_columns_are_the_same_for_every_size(requests: Requests) -> None:
    for rows in by_person(requests):
        free = rows[:, len(MONOTONE) :]
        assert free.shape[1] == len(FREE)
        assert np.array_equal(free, np.repeat(free[:1], len(free), axis=0), equal_nan=True)


def by_person(requests: Requests) -> list[npt.NDArray[np.float32]]:
    """The rows of one question's article, of each person apart, in size order."""
    sizes = int(requests.offsets[-1])
    rows = assemble(requests).rows
    return [rows[start : start + sizes] for start in range(0, len(rows), sizes)]


@given(questions())
@settings(max_examples=100, deadline=None)
def test_the_people_of_an_account_add_up_to_one_for_every_size(requests: Requests) -> None:
    found = assemble(requests)
    total = np.bincount(found.candidate, found.weight)
    assert np.allclose(total, 1.0, rtol=0, atol=1e-12)
    assert np.array_equal(found.candidate[found.nearest], np.arange(len(total)))


def level_values(**values: float) -> dict[str, npt.NDArray[np.float64]]:
    return {name: np.array([values.get(name, 0.0)]) for name in ARTICLE_STATISTICS}


def test_the_offset_of_an_article_without_history_is_its_brands() -> None:
    # 15 gaps of +1 at the brand, shrunk by 5 pseudo-gaps of 0: 15 / 20.
    assert article_offset(level_values(brand_kept_gap_n=15, brand_kept_gap_sum=15))[0] == 0.75


def test_an_articles_own_gaps_outweigh_its_brands_as_they_grow() -> None:
    brand = {"brand_kept_gap_n": 15.0, "brand_kept_gap_sum": 15.0}
    few = article_offset(level_values(**brand, article_kept_gap_n=1, article_kept_gap_sum=-1))[0]
    many = article_offset(level_values(**brand, article_kept_gap_n=95, article_kept_gap_sum=-95))[0]
    assert few == (-1 + 5 * 0.75) / 6
    assert many == (-95 + 5 * 0.75) / 100


def test_misfit_rates_fall_back_level_by_level() -> None:
    rates = misfit_rates(level_values(market_n=90, market_small_n=18.75, category_n=10, category_small_n=8), "small")
    assert rates["market"][0] == 0.2
    assert rates["category"][0] == 0.5
    assert rates["brand"][0] == rates["article"][0] == 0.5


def test_an_empty_history_is_unknown_and_not_zero() -> None:
    row = assemble(asked()).rows[0]
    unknown = {name for name, value in zip(FEATURES, row, strict=True) if np.isnan(value)}
    assert {"gap_kept", "gap_small", "gap_large", "gap_body", "kept_spread", "expected", *CUSTOMER_BODY} <= unknown
    assert not {"position", "size_not_small", "article_small_rate", "kept_offset", "kept_n"} & unknown


def test_a_chosen_size_is_known_for_all_sizes_and_unknown_when_nothing_is_chosen() -> None:
    column = FEATURES.index("chosen_position")
    assert assemble(asked(chosen=2)).rows[:, column].tolist() == [40.0] * 5
    assert np.isnan(assemble(asked(chosen=NOT_CHOSEN)).rows[:, column]).all()
