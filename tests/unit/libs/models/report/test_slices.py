"""Who belongs to which slice."""

import polars as pl

from libs.models.report.answers import answers
from libs.models.report.resampling import Resampling
from libs.models.report.slices import measure, slices
from libs.models.training import Fitted


def members(rows: pl.DataFrame, group: str) -> dict[str, list[int]]:
    return {one.label: one.rows.nonzero()[0].tolist() for one in slices(rows) if one.group == group}


def test_a_size_is_extreme_by_its_place_among_the_articles_own_sizes() -> None:
    rows = pl.DataFrame({"bought": [0, 1, 2, 0], "positions": [[1.0, 2, 3], [1.0, 2, 3], [1.0, 2, 3], [5.0]]})
    found = members(rows, "Size bought, of the article's sizes")
    assert found == {"its smallest": [0], "in between": [1], "its largest": [2], "the only one": [3]}


def test_how_much_is_known_goes_from_nothing_to_plenty() -> None:
    rows = pl.DataFrame({"kept_n": [0.0, 1.0, 2.0, 3.0, 9.0, 10.0, 400.0]})
    assert members(rows, "What is known of the customer") == {
        "nothing: cold": [0],
        "1 to 2 kept before": [1, 2],
        "3 to 9 kept before": [3, 4],
        "10 or more kept before": [5, 6],
    }


def test_cold_levels_split_all_lines() -> None:
    rows = pl.DataFrame({"kept_n": [0.0, 0.0, 1.0, 1.0], "article_n": [0.0, 5.0, 0.0, 5.0]})
    assert members(rows, "Cold levels") == {
        "both cold": [0],
        "cold customer, known article": [1],
        "known customer, cold article": [2],
        "known customer, known article": [3],
    }


def test_an_account_with_widely_spread_kept_sizes_looks_like_several_people() -> None:
    # Kept 36, 36, 44 against kept 38, 38, 40.
    rows = pl.DataFrame({"kept_n": [3.0, 3.0], "kept_sum": [116.0, 116.0], "kept_sum_of_squares": [4528.0, 4488.0]})
    assert members(rows, "Account") == {"looks like several people": [0], "looks like one person": [1]}


def test_the_largest_categories_are_slices_and_the_others_one_together() -> None:
    names = [f"category{index:02d}" for index in range(14) for _ in range(20 - index)]
    found = members(pl.DataFrame({"category": names}), "Category")
    assert len(found) == 13
    assert len(found["2 smaller categories"]) == 8 + 7


def test_a_table_without_a_column_has_no_slices_of_it() -> None:
    assert {one.group for one in slices(pl.DataFrame({"division": ["apparel"]}))} == {"Division"}


def test_a_slice_is_measured_on_its_own_lines(fitted: Fitted) -> None:
    found = answers(fitted.package, fitted.holdout)
    resampling = Resampling(fitted.holdout["customer_id"].to_list())
    for one in slices(fitted.holdout):
        result = measure(one, found, found, resampling)
        assert result.lines == one.rows.sum()
        assert result.customers <= result.lines
        assert result.log_loss.value is not None
        assert abs(result.log_loss.value - found.losses[one.rows].mean()) < 1e-9
        assert result.over_champion is not None and result.over_champion.value == 0.0
