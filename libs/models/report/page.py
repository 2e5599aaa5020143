"""The report as one HTML page that needs nothing but itself."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from libs.models.report import plots
from libs.models.report.findings import Findings, find
from libs.models.report.material import ReportMaterial
from libs.models.report.view import HELPERS, view


def write_report(path: Path, material: ReportMaterial) -> None:
    """Measure a trained version and write its report."""
    path.write_text(render(material, find(material)), encoding="utf-8")


def render(material: ReportMaterial, found: Findings) -> str:
    """The page. Whatever comes from the market's data or config is text in it, never markup."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    templates.globals |= HELPERS
    return templates.get_template("page.html").render(
        **view(material, found), found=found, champion=material.champion, plots=_drawings(found)
    )


def _drawings(found: Findings) -> dict[str, Any]:
    """The plots: the only values that the template takes as markup, because they are of our own making."""
    importance = found.importance
    return {
        "roc": [plots.roc_plot(one.outcome, one.roc, one.champion_roc) if one.roc else "" for one in found.curves],
        "reliability": [
            plots.reliability_plot(one.outcome, one.bins, one.champion_bins, one.masses) for one in found.curves
        ],
        "coverage": plots.coverage_plot(found.coverage, found.champion_coverage, found.here, found.chance),
        "importance": plots.importance_plot(importance),
        "shift": plots.swarm_plot("shift", "toward too small / too large (log-odds)", importance, importance.shift),
        "fit": plots.swarm_plot("fit", "against / for a fit (log-odds)", importance, importance.fit),
    }
