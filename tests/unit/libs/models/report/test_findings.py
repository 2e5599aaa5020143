"""What is measured, with and without a champion."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from libs.models.report.findings import Findings, find
from libs.models.report.material import ReportMaterial


def test_there_is_something_to_be_better_than(findings: Findings) -> None:
    assert sum(findings.outcome_shares.values()) == pytest.approx(1)
    assert findings.chance == pytest.approx(1 / 7)  # the small market's articles have seven sizes
    log_loss = next(one.value.value for one in findings.measured if one.measure.name == "log_loss")
    assert log_loss is not None and log_loss < findings.no_skill_log_loss


def test_tables_count_every_line_once(findings: Findings) -> None:
    assert findings.confusion.sum() == findings.advice.sum() == findings.lines
    assert np.array_equal(findings.confusion.sum(axis=1), findings.advice.sum(axis=1))


def test_the_champion_is_drawn_only_where_it_knows_no_line_of_the_holdout(
    findings: Findings, findings_partly: Findings
) -> None:
    assert findings.champion_coverage is not None
    assert all(one.champion_roc and one.champion_bins for one in findings.curves)
    assert findings_partly.champion_coverage is None
    assert not any(one.champion_roc or one.champion_bins for one in findings_partly.curves)
    assert findings_partly.beside is not None and findings_partly.beside.shared is not None


def test_a_first_version_has_nobody_to_be_compared_with(findings_alone: Findings) -> None:
    assert findings_alone.beside is None
    assert all(one.over_champion is None for one in findings_alone.slices)


def test_a_holdout_of_kept_lines_only_has_no_areas_and_no_crash(rejected: ReportMaterial) -> None:
    lines = rejected.lines.of(rejected.lines.kept)
    kept = find(replace(rejected, holdout=rejected.holdout.filter(pl.col("outcome") == "fit"), lines=lines))
    assert {one.value.value for one in kept.measured if one.measure.name.startswith("auc")} == {None}
    assert [one.roc for one in kept.curves] == [None, None, None]
    assert kept.outcome_shares["fit"] == 1
