"""What the validation gate, or a look at live traffic, has found, as one HTML page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes

from libs.features.arrays import Floats, Indices
from libs.features.validation.checks import Finding
from libs.models.report.drawing import PLACEHOLDER, SOFT, svg

_SIZE = (6.0, 4.2)
_MOST_BARS = 16
_ACCENT, _CHAMPION, _LARGE = (PLACEHOLDER[name] for name in ("accent", "champion", "large"))


@dataclass(frozen=True)
class Distribution:
    """One input or answer: the edges of its bins, (b,), and counts before and now, (b + 2,); the last is unknown."""

    name: str
    edges: Floats
    before: Indices
    now: Indices


@dataclass(frozen=True)
class ValidationPage:
    """What a page tells: findings, rows by table before and now, shifts with their bound, and distributions."""

    title: str
    market: str
    about: str
    findings: Sequence[Finding]
    volumes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    shifts: Mapping[str, float] = field(default_factory=dict)
    shift_bound: float = 0.0
    distributions: Sequence[Distribution] = ()

    def write(self, path: Path) -> None:
        """Write the page. Whatever comes from the market's data is text in it, never markup."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.render(), encoding="utf-8")

    def render(self) -> str:
        templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        statuses = {one.status for one in self.findings}
        word, state = (
            ("Blocked", "bad")
            if "blocked" in statuses
            else ("Worth a look", "none")
            if "warning" in statuses
            else ("Passed", "good")
        )
        return templates.get_template("validation.html").render(
            page=self, word=word, state=state, figures=self._figures()
        )

    def _figures(self) -> list[dict[str, str]]:
        found = []
        if self.volumes:
            found.append(
                {
                    "svg": _volume_plot(self.volumes),
                    "title": "New rows",
                    "how": "Rows of the last seven days, beside those of the week before.",
                }
            )
        if self.shifts:
            found.append(
                {
                    "svg": _shift_plot(self.shifts, self.shift_bound),
                    "title": "Shifts",
                    "how": "The stability index of each input of the model and of its confidence, the furthest first; "
                    "the line is the bound of the inputs.",
                }
            )
        found += [
            {
                "svg": _distribution_plot(one),
                "title": one.name,
                "how": "Shares by bin, of training and of now. A bin is a tenth of training, as far as values differ.",
            }
            for one in self.distributions
        ]
        return found


def _volume_plot(volumes: Mapping[str, tuple[int, int]]) -> str:
    def draw(axes: Axes) -> None:
        places = np.arange(len(volumes))
        before, now = zip(*volumes.values(), strict=True)
        axes.bar(places - 0.2, before, 0.38, color=_CHAMPION, label="week before")
        axes.bar(places + 0.2, now, 0.38, color=_ACCENT, label="this week")
        axes.set_xticks(places, list(volumes))
        axes.set_ylabel("rows")
        axes.legend()

    return svg("volumes", draw, _SIZE)


def _shift_plot(shifts: Mapping[str, float], bound: float) -> str:
    shown = list(shifts.items())[:_MOST_BARS][::-1]

    def draw(axes: Axes) -> None:
        values = [value for _, value in shown]
        axes.barh([name for name, _ in shown], values, color=[_LARGE if value > bound else _ACCENT for value in values])
        axes.axvline(bound, color=SOFT, linestyle="--", linewidth=1)
        axes.set_xlabel("stability index")

    return svg("shifts", draw, _SIZE)


def _distribution_plot(one: Distribution) -> str:
    def draw(axes: Axes) -> None:
        places = np.arange(len(one.before))
        for offset, counts, colour, label in (
            (-0.2, one.before, _CHAMPION, "training"),
            (0.2, one.now, _ACCENT, "now"),
        ):
            axes.bar(places + offset, 100 * counts / max(counts.sum(), 1), 0.38, color=colour, label=label)
        axes.set_xticks(places, [*_bin_names(one.edges), "?"], rotation=45, ha="right")
        axes.set_ylabel("share (%)")
        axes.legend()

    return svg(f"distribution-{one.name}", draw, _SIZE)


def _bin_names(edges: Floats) -> list[str]:
    if not len(edges):
        return ["any"]
    return [f"< {edges[0]:.3g}", *(f"{edge:.3g}" for edge in edges[:-1]), f"≥ {edges[-1]:.3g}"]
