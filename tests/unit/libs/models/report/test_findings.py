"""What is measured, with and without a champion."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from libs.models.report.findings import Findings, find
from libs.models.report.material import Champion, ReportMaterial


def test_a_weaker_champion_is_clearly_worse_on_the_same_lines(findings: Findings) -> None:
    log_loss = next(one for one in findings.measured if one.measure.name == "log_loss")
    assert log_loss.champion is not None and log_loss.difference is not None
    assert log_loss.value.value is not None and log_loss.champion.value is not None
    assert log_loss.difference.value == pytest.approx(log_loss.value.value - log_loss.champion.value)
    assert log_loss.difference.high is not None and log_loss.difference.high < 0


def test_a_model_compared_with_itself_differs_in_nothing(material: ReportMaterial) -> None:
    found = find(replace(material, champion=Champion("1", material.package)))
    assert {one.difference.value for one in found.measured if one.difference} == {0.0}
    assert found.disagreement is not None
    assert found.disagreement.lines == 0


def test_there_is_something_to_be_better_than(findings: Findings) -> None:
    assert sum(findings.outcome_shares.values()) == pytest.approx(1)
    assert findings.chance == pytest.approx(1 / 7)  # the small market's articles have seven sizes
    log_loss = next(one.value.value for one in findings.measured if one.measure.name == "log_loss")
    assert log_loss is not None and log_loss < findings.no_skill_log_loss


def test_tables_count_every_line_once(findings: Findings) -> None:
    assert findings.confusion.sum() == findings.advice.sum() == findings.lines
    assert np.array_equal(findings.confusion.sum(axis=1), findings.advice.sum(axis=1))


def test_a_first_version_has_nobody_to_be_compared_with(findings_alone: Findings) -> None:
    assert findings_alone.disagreement is None
    assert all(one.champion is None and one.difference is None for one in findings_alone.measured)
    assert all(one.over_champion is None for one in findings_alone.slices)


def test_a_holdout_of_kept_lines_only_has_no_areas_and_no_crash(rejected: ReportMaterial) -> None:
    kept = find(replace(rejected, holdout=rejected.holdout.filter(pl.col("outcome") == "fit")))
    assert {one.value.value for one in kept.measured if one.measure.name.startswith("auc")} == {None}
    assert [one.roc for one in kept.curves] == [None, None, None]
    assert kept.outcome_shares["fit"] == 1
