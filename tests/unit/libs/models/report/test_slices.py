"""Who belongs to which slice."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from libs.features.frames import requests_from_training
from libs.models.evaluation import slice_masks
from libs.models.report.beside import beside
from libs.models.report.estimates import Estimate
from libs.models.report.findings import Findings
from libs.models.report.material import ReportMaterial
from libs.models.report.slices import Slice, measure, slices
from libs.models.training import Fitted


def cut(rows: pl.DataFrame) -> list[Slice]:
    return slices(rows, slice_masks(rows, requests_from_training(rows)))


def members(rows: pl.DataFrame, group: str) -> dict[str, list[int]]:
    return {one.label: one.rows.nonzero()[0].tolist() for one in cut(rows) if one.group == group}


@pytest.fixture
def seven(fitted: Fitted) -> pl.DataFrame:
    return fitted.holdout.head(7)


# One entry of a customer's history, without what was kept.
ENTRY = {
    "history_scale": 0,
    "history_position": 40.0,
    "history_brand": "brand",
    "history_small": 0.0,
    "history_large": 0.0,
}


def test_a_size_is_extreme_by_its_place_among_the_articles_own_sizes(seven: pl.DataFrame) -> None:
    rows = seven.with_columns(bought=pl.Series([0, 1, 6, 0, 5, 6, 3], dtype=seven.schema["bought"]))
    found = members(rows, "Size bought, of the article's sizes")
    assert found == {"its smallest": [0, 3], "in between": [1, 4, 6], "its largest": [2, 5]}


def test_how_much_is_known_goes_from_nothing_to_plenty(seven: pl.DataFrame) -> None:
    one = {name: pl.Series([[value]] * 7) for name, value in ENTRY.items()}
    rows = seven.with_columns(
        **one, history_kept=pl.Series([[kept] for kept in (0.0, 1.0, 2.0, 3.0, 9.0, 10.0, 400.0)])
    )
    assert members(rows, "What is known of the customer") == {
        "nothing: cold": [0],
        "1 to 2 kept before": [1, 2],
        "3 to 9 kept before": [3, 4],
        "10 or more kept before": [5, 6],
    }


def test_cold_levels_split_all_lines_by_what_an_answer_rests_on(fitted: Fitted) -> None:
    levels = [one for one in cut(fitted.holdout) if one.group == "Cold levels, by what an answer rests on"]
    split = [one.rows for one in levels if one.standard != "cold_both"]
    assert (np.sum(split, axis=0) == 1).all()
    warm = fitted.holdout["history_kept"].list.sum().to_numpy() > 0
    assert all((warm[one.rows] == one.label.startswith("kept before")).all() for one in levels)


def test_every_slice_that_a_standard_may_name_is_shown_under_that_name(fitted: Fitted) -> None:
    named = fitted.evaluation.members
    shown = {one.standard: one.rows for one in cut(fitted.holdout) if one.standard}
    assert set(shown) == set(named) - {"warm_customer"}  # which is split by how much is known
    assert all(np.array_equal(rows, named[name]) for name, rows in shown.items())


def test_the_largest_categories_are_slices_and_the_others_one_together(fitted: Fitted) -> None:
    names = [f"category{index:02d}" for index in range(14) for _ in range(20 - index)]
    found = members(fitted.holdout.head(len(names)).with_columns(category=pl.Series(names)), "Category")
    assert len(found) == 13
    assert len(found["2 smaller categories"]) == 8 + 7


def test_a_slice_is_measured_on_its_own_lines(material: ReportMaterial, findings: Findings) -> None:
    found = material.lines
    for one, result in zip(cut(material.holdout), findings.slices, strict=True):
        assert (result.label, result.lines) == (one.label, one.rows.sum())
        assert result.customers == len(set(found.customers[one.rows]))
        assert result.log_loss.value == pytest.approx(found.losses[one.rows].mean(), rel=1e-5)
        assert (result.log_loss.low is None) == (result.customers < 20)


def test_a_slice_is_compared_on_those_of_its_lines_that_are_new_to_both(material: ReportMaterial) -> None:
    rows = material.holdout
    assert material.rival is not None
    mine = material.lines
    other = beside(material.rival, mine, 0.95)
    assert other.shared is not None
    later = np.arange(len(rows)) >= 100
    part = replace(other, unseen=later, shared=replace(other.shared, excess=other.shared.excess[later]))
    first, both = np.arange(len(rows)) < 100, np.arange(len(rows)) < 300
    seen, half = measure([Slice("", "", first), Slice("", "", both)], mine, part, 0.95)
    assert seen.over_champion == Estimate(None)
    assert half.over_champion is not None
    assert half.over_champion.value == pytest.approx(other.shared.excess[100:300].mean(), abs=1e-6)
    assert half.over_champion.low is not None
    [alone] = measure([Slice("", "", both)], mine, None, 0.95)
    assert alone.over_champion is None
