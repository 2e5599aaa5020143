"""The table and the plot of `docs/performance.md`, made from a run's figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marks import replace_between_marks
from benchmarks.serving.figures import BARS, CONNECTIONS

TITLES = {
    "fitwave": "Fitwave",
    "fitwave_mirrored": "Fitwave, 20 % mirrored",
    "monolith": "hand-written monolith, keeps articles",
    "monolith_uncached": "hand-written monolith, no cache",
    "bentoml": "BentoML composition",
    "naive": "naive Serve composition",
    "empty_gateway": "empty gateway endpoint",
}


def write_page(found: Mapping[str, Any], page: Path) -> None:
    """Replace what stands between the page's two marks, and draw the plot beside it."""
    figure = page.with_suffix(".svg")
    _draw(found["medians"], figure)
    parts = [_rows(found["medians"]), "", f"![requests/s by connections]({figure.name})", "", _bars(found)]
    replace_between_marks(page, "benchmarks.serving", parts)


def _rows(medians: Mapping[str, Any]) -> str:
    lines = ["| requests/s (p50 / p99, ms) | " + " | ".join(f"{count} connections" for count in CONNECTIONS) + " |"]
    lines.append("|---" * (len(CONNECTIONS) + 1) + "|")
    for arm, title in TITLES.items():
        cells = [
            f"{one['requests_per_s']:,.0f} ({one['p50_ms']:.1f} / {one['p99_ms']:.1f})"
            for one in (medians[arm][str(count)] for count in CONNECTIONS)
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _bars(found: Mapping[str, Any]) -> str:
    lines = ["| ratio, median over rounds | measured | bar | |", "|---|---|---|---|"]
    for bar in BARS:
        value = found[bar.ratio]
        sign = "at least" if bar.at_least else "at most"
        verdict = "reached" if bar.reached(value) else "**missed**"
        lines.append(f"| {bar.meaning} | {value:.3g} | {sign} {bar.bound:g} | {verdict} |")
    return "\n".join(lines)


def _draw(medians: Mapping[str, Any], path: Path) -> None:
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for arm, title in TITLES.items():
        rates = [medians[arm][str(count)]["requests_per_s"] for count in CONNECTIONS]
        style = "-" if arm.startswith("fitwave") else "--"
        axes.plot(CONNECTIONS, rates, style, marker="o", markersize=3, label=title)
    axes.set(xlabel="connections", ylabel="requests/s", xscale="log", yscale="log")
    axes.set_xticks(CONNECTIONS, [str(count) for count in CONNECTIONS])
    axes.grid(visible=True, linewidth=0.4)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
