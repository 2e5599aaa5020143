"""The report as one HTML page that needs nothing but itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from libs.models.report import plots
from libs.models.report.curves import CoveragePoint
from libs.models.report.estimates import Estimate
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
        **view(material, found),
        found=found,
        champion=material.champion,
        plots=_drawings(found, material.package.card.abstention.wanted_precision),
    )


def _drawings(found: Findings, wanted: float | None) -> dict[str, Any]:
    """The plots: the only values that the template takes as markup, because they are of our own making."""
    importance = found.importance
    return {
        "roc": [plots.roc_plot(one.outcome, one.roc, one.champion_roc) if one.roc else "" for one in found.curves],
        "reliability": [
            plots.reliability_plot(one.outcome, one.bins, one.champion_bins, one.masses) for one in found.curves
        ],
        "precision": plots.coverage_plot(
            "precision",
            "of purchases of the size named, kept (%)",
            *_against_coverage(found, lambda point: point.precision),
            {"any purchase": found.outcome_shares["fit"]} | ({"wanted": wanted} if wanted else {}),
        ),
        "right": plots.coverage_plot(
            "right",
            "of kept lines, size named first (%)",
            *_against_coverage(found, lambda point: point.right),
            {"a size at random": found.chance},
        ),
        "importance": plots.importance_plot(importance),
        "shift": plots.swarm_plot("shift", "toward too small / too large (log-odds)", importance, importance.shift),
        "fit": plots.swarm_plot("fit", "against / for a fit (log-odds)", importance, importance.fit),
    }


Drawn = list[tuple[float, Estimate]]


def _against_coverage(
    found: Findings, of: Callable[[CoveragePoint], Estimate]
) -> tuple[Drawn, Drawn, tuple[float, Estimate]]:
    """One side of every point: of this version, of the champion, and of where the market answers."""
    mine, champions, [here] = (
        [(point.coverage, of(point)) for point in points]
        for points in (found.coverage, found.champion_coverage or [], [found.here])
    )
    return mine, champions, here
