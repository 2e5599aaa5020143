"""The report's measures are those of the evaluation, with the intervals of the judgement."""

import pytest

from libs.models.report.findings import Findings
from libs.models.report.material import ReportMaterial
from libs.models.report.measures import KEY_MEASURES, MEASURES
from libs.models.training import Fitted


@pytest.mark.parametrize("name", [one.name for one in MEASURES])
def test_a_measure_has_the_value_that_was_evaluated(findings: Findings, fitted: Fitted, name: str) -> None:
    [found] = [one.value for one in findings.measured if one.measure.name == name]
    assert found.value == pytest.approx(getattr(fitted.evaluation.overall, name), abs=1e-5)


@pytest.mark.parametrize("name", [one.name for one in KEY_MEASURES])
def test_a_measure_has_the_interval_that_was_judged(findings: Findings, material: ReportMaterial, name: str) -> None:
    [found] = [one.value for one in findings.measured if one.measure.name == name]
    check = material.judgement.check(name)
    assert check is not None
    assert (found.low, found.high) == pytest.approx((check.low, check.high), abs=1e-5)
