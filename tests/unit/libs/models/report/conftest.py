"""The material of a report: the small market's model, a weaker champion, and names that try to break the page."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from libs.base.market import SliceStandard, Training
from libs.features.rules import FunnelStep
from libs.models.report.findings import Findings, find
from libs.models.report.material import Champion, ReportMaterial
from libs.models.rival import evaluate_champion
from libs.models.standards import judge
from libs.models.training import Fitted, fit_market
from tests.unit.libs.models.conftest import MARKET
from tests.unit.libs.models.test_rival import middle, trained_until

HOSTILE_CATEGORY = "<script>alert('category')</script> $x^{$ \N{SNOWMAN}\x1b"
HOSTILE_RULE = '"><img src=x onerror=alert(1)> & more'


@pytest.fixture(scope="session")
def champion(training_path: Path) -> Champion:
    # No split has so much weight on either side: it says the same of every size.
    weak = MARKET.model_copy(update={"training": Training(rounds=1, min_child_weight=1e9)})
    return Champion("7", fit_market(weak, str(training_path), champion=None).package)


@pytest.fixture(scope="session")
def material(fitted: Fitted, champion: Champion) -> ReportMaterial:
    category = pl.when(pl.col("article_id") < "a2").then(pl.lit(HOSTILE_CATEGORY)).otherwise(pl.lit("dress"))
    rows = fitted.holdout.with_columns(category=category)
    # Fifteen bins of forty lines: the calibration error of this holdout is mostly noise.
    lenient = {"max_calibration_error": 0.2, "slices": {"division_apparel": SliceStandard(min_auc_macro=0.5)}}
    standards = MARKET.standards.model_copy(update=lenient)
    rival = evaluate_champion(champion.package, rows)
    return ReportMaterial(
        market=MARKET.model_copy(update={"standards": standards}),
        package=fitted.package,
        champion=champion,
        holdout=rows,
        lines=fitted.evaluation.lines,
        rival=rival,
        judgement=judge(standards, fitted.evaluation, rival),
        funnel=[FunnelStep("known article", 10_000, 9_000), FunnelStep(HOSTILE_RULE, 9_000, 8_100)],
    )


@pytest.fixture(scope="session")
def findings(material: ReportMaterial) -> Findings:
    return find(material)


@pytest.fixture(scope="session")
def partly(material: ReportMaterial, champion: Champion) -> ReportMaterial:
    """The champion has learnt from orders until the middle of the holdout."""
    late = Champion(champion.version, trained_until(champion.package, middle(material.holdout)))
    return replace(material, champion=late, rival=evaluate_champion(late.package, material.holdout))


@pytest.fixture(scope="session")
def findings_partly(partly: ReportMaterial) -> Findings:
    return find(partly)


@pytest.fixture(scope="session")
def rejected(material: ReportMaterial, fitted: Fitted) -> ReportMaterial:
    """The same model, alone, held against a standard that nothing meets."""
    standards = material.market.standards.model_copy(update={"min_auc_macro": 0.99})
    market = material.market.model_copy(update={"standards": standards})
    judgement = judge(standards, fitted.evaluation, champion=None)
    return replace(material, market=market, champion=None, rival=None, funnel=(), judgement=judgement)


@pytest.fixture(scope="session")
def findings_alone(rejected: ReportMaterial) -> Findings:
    return find(rejected)
