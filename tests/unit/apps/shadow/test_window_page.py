"""The page of a window: whole in itself, with every number of the verdict; what the market named is text in it."""

import polars as pl
import pytest

from apps.shadow.comparison import compare
from apps.shadow.page import WindowPage
from apps.shadow.verdict import decide
from tests.unit.apps.shadow.elements import Elements
from tests.unit.apps.shadow.windows import WINDOW, counts_for, losses, pairs


def page(frame: pl.DataFrame) -> str:
    verdict = decide(compare(frame, counts_for(frame), losses(0.03), WINDOW), WINDOW, 20.0)
    return WindowPage("de", "champion v1, challenger v2", verdict, frame, losses(0.03), WINDOW).render()


@pytest.fixture(scope="module")
def whole() -> str:
    return page(pairs())


def test_every_plot_has_a_text_alternative(whole: str) -> None:
    elements = Elements(whole).found
    images = [attributes for _, attributes in elements if attributes.get("role") == "img"]
    assert len(images) == sum(tag == "svg" for tag, _ in elements) == 5
    assert all(image["aria-label"] for image in images)


def test_the_page_needs_nothing_but_itself(whole: str) -> None:
    for tag, attributes in Elements(whole).found:
        assert tag not in {"script", "link", "img", "iframe"}
        assert not str(attributes.get("href") or "#").startswith("http")
        assert not attributes.get("src")


def test_the_verdict_and_its_numbers_are_on_it(whole: str) -> None:
    frame = pairs()
    found = compare(frame, counts_for(frame), losses(0.03), WINDOW)
    for value in (found.quality.lower, found.quality_floor, found.latency_ratio, 100 * found.error_difference.upper):
        assert f"{value:.4g}" in whole
    assert "Promote" in whole


def test_a_size_of_the_market_is_text_and_never_markup() -> None:
    named = pl.Series([["<b>40"]] * 2400)
    text = page(pairs().with_columns(champion_sizes=named))
    assert "<b>" not in text
    assert "&lt;b&gt;40" in text


def test_a_window_of_a_few_minutes_is_drawn_in_minutes(whole: str) -> None:
    assert "hours since the window opened" in whole
    assert "minutes since the window opened" in page(pairs(90))


def test_a_window_without_pairs_has_a_page() -> None:
    assert "Extend" in page(pairs(0))
