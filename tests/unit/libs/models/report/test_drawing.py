"""A drawing is part of a page: its colours, its ids and its text."""

import re
import sys
import warnings

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes

from libs.models.report.drawing import PLACEHOLDER, svg


def draw(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], "o-", color=PLACEHOLDER["accent"])
    axes.set_xlabel("<b>$\\frac{</b> & \N{SNOWMAN} \u9774")


@pytest.fixture(scope="module")
def drawing() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return svg("one", draw, (3.0, 2.0))


def test_colours_are_the_pages_own(drawing: str) -> None:
    assert "var(--accent)" in drawing
    assert "var(--ink)" in drawing
    assert not re.findall(r"#[0-9a-f]{6}", drawing)


def test_text_stays_text_and_is_never_markup_or_mathematics(drawing: str) -> None:
    assert "&lt;b&gt;$\\frac{&lt;/b&gt; &amp; \N{SNOWMAN} \u9774" in drawing


def test_two_drawings_share_no_id_and_refer_only_to_their_own(drawing: str) -> None:
    other = svg("two", draw, (3.0, 2.0))
    ids, others = (re.findall(r' id="([^"]+)"', one) for one in (drawing, other))
    assert ids
    assert not set(ids) & set(others)
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', drawing)) <= set(ids)


def test_drawing_leaves_nothing_behind(drawing: str) -> None:
    before = dict(mpl.rcParams)
    had_pyplot = "matplotlib.pyplot" in sys.modules
    svg("three", draw, (3.0, 2.0))
    assert dict(mpl.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot


def test_a_label_keeps_all_its_digits() -> None:
    def with_fine_ticks(axes: Axes) -> None:
        axes.set_yticks([0.0025, 0.0075])

    drawing = svg("four", with_fine_ticks, (3.0, 2.0))
    assert ">0.0025<" in drawing and ">0.0075<" in drawing
