"""The page: whole, self-contained, readable by machines that read aloud, and safe with hostile names."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from libs.models.report import page as report_page
from libs.models.report import plots
from libs.models.report.beside import Beside
from libs.models.report.findings import Findings
from libs.models.report.material import ReportMaterial
from libs.models.report.page import render, write_report

_VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reading(HTMLParser):
    """Every element of a page with its attributes, its text, and whether each one that opens also closes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(material: ReportMaterial, findings: Findings) -> str:
    return render(material, findings)


@pytest.fixture(scope="module")
def reading(page: str) -> Reading:
    return Reading(page)


def test_every_element_is_closed_and_every_id_is_unique(page: str, reading: Reading) -> None:
    assert reading.open == []
    ids = [attributes["id"] for _, attributes in reading.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_but_itself(page: str, reading: Reading) -> None:
    tags = {tag for tag, _ in reading.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "image"}
    for _, attributes in reading.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"@import|url\((?!#)|https?://", page)


def test_it_is_smaller_than_what_people_can_mail(page: str) -> None:
    assert len(page.encode()) < 1_500_000


def test_hostile_names_are_text(reading: Reading) -> None:
    assert "<script>alert('category')</script> $x^{$ \N{SNOWMAN}" in reading.text
    assert '"><img src=x onerror=alert(1)> & more' in reading.text
    assert not any(name.startswith("on") for _, attributes in reading.elements for name in attributes)


def test_the_verdict_and_the_comparison_come_first(reading: Reading) -> None:
    text = reading.text
    assert text.index("Accepted") < text.index("Better than the champion, version 7") < text.index("Worth a look")


def test_every_drawing_has_words_and_every_header_its_scope(reading: Reading) -> None:
    drawings = [attributes for attributes in reading.named("div") if attributes.get("role") == "img"]
    assert len(drawings) == len(reading.named("svg")) == 11
    assert all(attributes.get("aria-label") for attributes in drawings)
    assert len(reading.named("figcaption")) == len(drawings)
    assert all(attributes.get("scope") for attributes in reading.named("th"))


def test_every_link_of_the_contents_leads_somewhere(reading: Reading) -> None:
    targets = {attributes.get("id") for attributes in reading.named("section")}
    assert {(attributes["href"] or "")[1:] for attributes in reading.named("a")} == targets


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings take most of a page's time, and there is a page with all of them already."""
    monkeypatch.setattr(plots, "svg", lambda *_: "<svg></svg>")


@pytest.mark.usefixtures("undrawn")
def test_a_rejected_first_version_that_lacks_an_outcome_is_a_whole_page_too(
    rejected: ReportMaterial, findings_alone: Findings
) -> None:
    small, *others = findings_alone.curves
    reading = Reading(render(rejected, replace(findings_alone, curves=[replace(small, roc=None), *others])))
    assert reading.open == []
    assert "Rejected Macro AUC is 0." in reading.text
    assert "Nothing changes for the market. There is no champion to compare with." in reading.text
    assert "No line, or every line, turned out small: there is no curve." in reading.text
    assert "No funnel was recorded for this version." in reading.text
    assert "Against the champion" not in reading.text


@pytest.mark.usefixtures("undrawn")
def test_a_page_says_how_many_lines_are_new_to_both_models(partly: ReportMaterial, findings_partly: Findings) -> None:
    text = Reading(render(partly, findings_partly)).text
    assert findings_partly.beside is not None
    lines = findings_partly.beside.lines
    assert f"only {lines} of the {findings_partly.lines} lines of the holdout are new to both" in text
    assert f"the champion, version 7, on the {lines} lines that are new to both: log loss" in text
    assert "the diamond the champion" not in text


@pytest.mark.usefixtures("undrawn")
def test_a_page_says_plainly_that_no_line_is_new_to_both(material: ReportMaterial, findings_alone: Findings) -> None:
    nothing = Beside(datetime(2026, 6, 30, tzinfo=UTC), np.zeros(findings_alone.lines, dtype=np.bool_), None)
    reading = Reading(render(material, replace(findings_alone, beside=nothing)))
    assert reading.open == []
    assert "no line of the holdout is new to both" in reading.text
    assert "orders until 2026-06-30 00:00, and no line of this holdout is later" in reading.text
    assert "Over champion" not in reading.text


@pytest.mark.usefixtures("undrawn")
def test_a_report_is_one_file(
    material: ReportMaterial, findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page, "find", lambda _: findings)
    write_report(tmp_path / "report.html", material)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(material, findings)


def test_a_report_on_a_part_of_the_holdout_says_so(
    material: ReportMaterial, findings: Findings, reading: Reading
) -> None:
    part = Reading(render(replace(material, one_in=3), findings))
    assert "one in 3 of the holdout's lines, on all of which the standards were judged" in part.text
    assert "of the holdout's lines, on all of which" not in reading.text
