"""What the page is given."""

from dataclasses import replace

from libs.models.report.findings import Findings
from libs.models.report.material import ReportMaterial
from libs.models.report.view import HELPERS, view


def test_an_accepted_version_has_missed_nothing(material: ReportMaterial, findings: Findings) -> None:
    shown = view(material, findings)
    assert shown["verdict"] == "Accepted"
    assert shown["missed"] == []
    assert shown["comparison"].startswith("Better than the champion, version 7")


def test_a_rejected_version_says_which_standard_was_missed_by_how_much(
    rejected: ReportMaterial, findings_alone: Findings
) -> None:
    shown = view(rejected, findings_alone)
    assert shown["verdict"] == "Rejected"
    [missed] = shown["missed"]
    assert missed.startswith("Macro AUC is 0.")
    assert missed.endswith("the standard is at least 0.990")
    assert "champion" not in dict(shown["sections"])


def test_every_measured_standard_has_its_interval(material: ReportMaterial, findings: Findings) -> None:
    rows = {row["check"].name: row for row in view(material, findings)["checks"]}
    assert rows.pop("holdout_lines")["interval"] == ""
    assert rows.pop("lines unseen by champion")["interval"] == ""
    assert rows["division_apparel auc_macro"]["label"] == "Macro AUC, Division: apparel"
    assert all(" to " in row["interval"] for row in rows.values())


def test_the_funnel_says_what_was_dropped_and_what_is_left(material: ReportMaterial, findings: Findings) -> None:
    first, second, labelled = view(material, findings)["funnel"]
    assert (first["dropped"], first["left"]) == (0.1, 0.9)
    assert (second["dropped"], second["left"]) == (0.1, 0.81)
    assert labelled["name"] == "28 days old, and kept or returned for its fit"
    assert labelled["rows_out"] == sum(window["lines"] for window in view(material, findings)["windows"])


def test_slices_begin_with_all_lines(material: ReportMaterial, findings: Findings) -> None:
    (_, [everything]), *groups = view(material, findings)["slices"]
    assert everything.lines == len(material.holdout)
    assert {group for group, _ in groups} >= {"Division", "Category", "Size bought, of the article's sizes"}


def test_a_card_without_windows_is_no_obstacle(material: ReportMaterial, findings: Findings) -> None:
    card = material.package.card.model_copy(update={"training": {"as_of": "2026-07-06"}})
    shown = view(replace(material, package=replace(material.package, card=card)), findings)
    assert shown["windows"] == []
    assert ("as_of", "2026-07-06") in shown["card"]


def test_a_place_is_within_the_strip() -> None:
    place = HELPERS["place"]
    assert [place(value, 0.0, 2.0) for value in (-1.0, 0.5, 3.0)] == ["0.0%", "25.0%", "100.0%"]
    assert place(0.5, 2.0, 0.0) == "75.0%"
