"""Numbers as people read them, and what is said about them."""

from dataclasses import replace

import pytest

from libs.models.abstention import Abstention
from libs.models.report.beside import Compared
from libs.models.report.estimates import Estimate
from libs.models.report.findings import Findings
from libs.models.report.material import ReportMaterial
from libs.models.report.measures import LOG_LOSS
from libs.models.report.wording import against, common_lines, comparison, interval, notes, number, short, threshold
from libs.models.standards import Check, Judgement

BETTER, WORSE, ALIKE = Estimate(-0.01, -0.02, -0.005), Estimate(0.01, 0.005, 0.02), Estimate(0.001, -0.01, 0.01)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (number(0.86519), "0.865"),
        (number(0.01234), "0.0123"),
        (number(0.5, share=True), "50.0 %"),
        (number(-0.0044, signed=True), "\N{MINUS SIGN}0.0044"),
        (number(0.002, share=True, signed=True), "+0.2 pts"),
        (number(0.0004, share=True, signed=True), "+0.04 pts"),
        (number(0.0, share=True, signed=True), "0.00 pts"),
        (number(None), "not measurable"),
        (interval(Estimate(0.5, 0.25, 0.75), share=True), "25.0 to 75.0 %"),
        (interval(WORSE, signed=True), "+0.0050 to +0.0200"),
        (interval(Estimate(0.5)), "no interval"),
    ],
)
def test_numbers_are_short_and_have_their_unit(text: str, shown: str) -> None:
    assert text == shown


def test_a_difference_is_clear_only_when_its_interval_excludes_zero() -> None:
    assert [against(one, higher=False) for one in (BETTER, WORSE, ALIKE)] == ["better", "worse", "alike"]
    assert [against(one, higher=True) for one in (BETTER, WORSE, ALIKE)] == ["worse", "better", "alike"]


def test_names_from_the_data_are_cut_and_lose_control_characters() -> None:
    assert short("a\x1b[31m\nb") == "a [31m b"
    assert short("x" * 500) == "x" * 59 + "…"


def test_the_comparison_says_better_worse_or_neither_by_how_much_and_on_how_many_lines(findings: Findings) -> None:
    other = findings.beside
    assert other is not None and other.shared is not None

    def said(gap: Estimate) -> str:
        assert other is not None and other.shared is not None
        compared = [Compared(LOG_LOSS, 0.5, 0.5, gap)]
        return comparison(replace(other, shared=replace(other.shared, compared=compared)), "7")

    assert said(BETTER).startswith(
        f"Better than the champion, version 7, on the {other.lines} lines that are new to both"
    )
    assert "\N{MINUS SIGN}0.0100 (\N{MINUS SIGN}0.0200 to \N{MINUS SIGN}0.0050)" in said(BETTER)
    assert said(WORSE).startswith("Worse than the champion")
    assert said(ALIKE).startswith("No clear difference")
    assert "no line of the holdout is new to both" in comparison(replace(other, shared=None), "7")
    assert comparison(None, "") == "There is no champion to compare with."


def test_it_is_said_which_lines_are_compared(findings: Findings, findings_partly: Findings) -> None:
    whole, part = findings.beside, findings_partly.beside
    assert whole is not None and part is not None
    assert f"all {whole.lines} lines of the holdout are new to both" in common_lines(whole)
    assert f"only {part.lines} of the {whole.lines} lines of the holdout are new to both" in common_lines(part)
    assert "so the two are not compared" in common_lines(replace(part, shared=None))


def test_a_threshold_says_whether_it_was_chosen_or_is_the_floor() -> None:
    assert "market's floor" in threshold(Abstention(0.35, None, reached=True, curve=()))
    assert "surely has the wanted precision of 80.0 %" in threshold(Abstention(0.6, 0.8, reached=True, curve=()))
    assert "No threshold reached the wanted" in threshold(Abstention(0.35, 0.8, reached=False, curve=()))


def test_notes_name_a_standard_that_is_met_only_narrowly(material: ReportMaterial, findings: Findings) -> None:
    measured = next(one for one in findings.measured if one.measure.name == "top1_accuracy")
    assert measured.value.value is not None and measured.value.low is not None
    bound = (measured.value.value + measured.value.low) / 2
    narrow = replace(material, judgement=Judgement([Check("top1_accuracy", measured.value.value, bound, passed=True)]))
    assert any(note.startswith("Right size first meets its standard") for note in notes(narrow, findings))
    wide = replace(material, judgement=Judgement([Check("top1_accuracy", measured.value.value, 0.0, passed=True)]))
    assert not any("meets its standard" in note for note in notes(wide, findings))


def test_notes_name_slices_that_are_worse_than_the_champion_or_promise_wrongly(
    material: ReportMaterial, findings: Findings
) -> None:
    bad = replace(findings.slices[0], label="hats", over_champion=WORSE, fit_gap=Estimate(0.3, 0.2, 0.4), lines=500)
    few = replace(bad, label="gloves", lines=5)
    said = notes(material, replace(findings, slices=[bad, few]))
    assert any("Worse than the champion in “Division: hats”" in note for note in said)
    assert any("Promises too much in “Division: hats”" in note for note in said)
    assert not any("gloves" in note for note in said)
