"""The report's plots, each as an inline SVG."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from libs.models.bootstrap import Floats
from libs.models.report.curves import ReliabilityBin, Roc
from libs.models.report.drawing import PLACEHOLDER, SOFT, svg
from libs.models.report.estimates import Estimate
from libs.models.report.importance import Importance
from libs.models.weighted import Mask

_CHAMPION, _ACCENT, _PAPER, _UNKNOWN = (PLACEHOLDER[name] for name in ("champion", "accent", "paper", "unknown"))
_VALUE_SHADES = [PLACEHOLDER[name] for name in ("low", "low-mid", "mid", "high-mid", "high")]
_OUTCOME_COLOURS = {name: PLACEHOLDER[name] for name in ("small", "fit", "large")}

_SIZE = (4.4, 3.7)
# The most important features, and lines of the sample, that can be told apart by eye; the table has all features.
_FEATURES, _SWARM_ROWS, _SWARM_BINS = 12, 250, 60


def roc_plot(outcome: str, curve: Roc, champion: Roc | None) -> str:
    """The ROC curve of one outcome, and the champion's behind it."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":", label="chance")
        if champion is not None:
            axes.plot(champion.false_alarms, champion.found, color=_CHAMPION, linestyle="--", label="champion")
        axes.plot(curve.false_alarms, curve.found, color=_OUTCOME_COLOURS[outcome], label="this version")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set_xlabel(f"of lines not {outcome}, share flagged (%)")
        axes.set_ylabel(f"of lines {outcome}, share found (%)")
        _percent(axes)
        axes.legend(loc="lower right")

    return svg(f"roc-{outcome}", draw, _SIZE)


def reliability_plot(
    outcome: str, bins: Sequence[ReliabilityBin], champion: Sequence[ReliabilityBin] | None, masses: Sequence[int]
) -> str:
    """Forecast against observed frequency of one outcome, with where the forecasts lie below."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":", label="perfect")
        if champion is not None:
            axes.plot(*_points(champion), color=_CHAMPION, linestyle="--", marker="s", markersize=3, label="champion")
        forecast, observed = _points(bins)
        low = [one.observed.value if one.observed.low is None else one.observed.low for one in bins]
        high = [one.observed.value if one.observed.high is None else one.observed.high for one in bins]
        colour = _OUTCOME_COLOURS[outcome]
        axes.vlines(forecast, low, high, color=colour, linewidth=1.5)  # type: ignore[arg-type]
        axes.plot(forecast, observed, color=colour, marker="o", markersize=4.5, label="this version")
        share = np.array(masses) / max(sum(masses), 1)
        axes.bar(
            (np.arange(len(masses)) + 0.5) / len(masses),
            0.16 * share / share.max(),
            width=0.9 / len(masses),
            bottom=-0.2,
            color=colour,
            alpha=0.35,
        )
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.21, 1.01))
        axes.set_xlabel(f"forecast P({outcome}) (%)")
        axes.set_ylabel(f"observed share {outcome} (%)")
        _percent(axes)
        axes.legend(loc="upper left")

    return svg(f"reliability-{outcome}", draw, _SIZE)


def coverage_plot(
    name: str,
    label: str,
    points: Sequence[tuple[float, Estimate]],
    champion: Sequence[tuple[float, Estimate]],
    here: tuple[float, Estimate],
    marks: Mapping[str, float],
) -> str:
    """How good answers are as more lines are answered; `champion` may be empty, `marks` are levels to compare with."""

    def draw(axes: Axes) -> None:
        covered = [share for share, _ in points]
        low = [np.nan if one.low is None else one.low for _, one in points]
        high = [np.nan if one.high is None else one.high for _, one in points]
        for style, (meaning, level) in zip((":", "-."), marks.items(), strict=False):
            axes.axhline(level, color=SOFT, linewidth=1, linestyle=style, label=meaning)
        axes.fill_between(covered, low, high, color=_ACCENT, alpha=0.2, linewidth=0)
        if champion:
            shares = [share for share, _ in champion]
            axes.plot(shares, _values(champion), color=_CHAMPION, linestyle="--", label="champion")
        axes.plot(covered, _values(points), color=_ACCENT, label="this version")
        axes.plot(
            [here[0]], _values([here]), "o", color=_PAPER, markeredgecolor=_ACCENT, markeredgewidth=2, markersize=9
        )
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set_xlabel("lines answered, the surest first (%)")
        axes.set_ylabel(label)
        _percent(axes)
        axes.legend(loc="best")

    return svg(name, draw, (5.4, 3.8))


def importance_plot(found: Importance) -> str:
    """The mean size of each feature's contribution."""
    shown = min(len(found.names), _FEATURES)

    def draw(axes: Axes) -> None:
        place = np.arange(shown)[::-1]
        axes.barh(place, found.mean_size[:shown], color=_ACCENT, height=0.66)
        for at, value in zip(place, found.mean_size[:shown], strict=True):
            axes.annotate(f"{value:.2f}", (value, at), (3, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_yticks(place, found.names[:shown])
        axes.set(ylim=(-0.6, shown - 0.4), xlim=(0, max(float(found.mean_size.max()) * 1.12, 1e-6)))
        axes.set_xlabel("mean |SHAP| (log-odds)")
        axes.grid(visible=False, axis="y")

    return svg("importance", draw, (4.8, 0.36 * shown + 0.8))


def swarm_plot(name: str, label: str, found: Importance, contributions: Floats) -> str:
    """One point per row and feature: how the feature moved that row, coloured by the feature's value."""
    shown = min(len(found.names), _FEATURES)
    rows = slice(0, _SWARM_ROWS)

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=SOFT, linewidth=1)
        # All points of a shade at once: a drawing is dear, and points are not.
        points: dict[str, list[Floats]] = defaultdict(list)
        for index in range(shown):
            moved = contributions[rows, index]
            height = shown - 1 - index + _spread(moved)
            for shade, chosen in _shades(found.values[rows, index]):
                points[shade].append(np.column_stack([moved[chosen], height[chosen]]))
        for shade, parts in points.items():
            x, y = np.concatenate(parts).T
            axes.scatter(x, y, s=9, color=shade, linewidths=0)
        axes.set_yticks(np.arange(shown)[::-1], found.names[:shown])
        axes.set(ylim=(-0.6, shown - 0.4))
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="x")

    return svg(name, draw, (4.8, 0.36 * shown + 0.8))


def _spread(moved: Floats) -> Floats:
    """Heights that keep points of about the same place apart, as a swarm."""
    low, high = float(moved.min()), float(moved.max())
    place = ((moved - low) / max(high - low, 1e-12) * _SWARM_BINS).astype(np.int64)
    height = np.zeros(len(moved))
    fullest = max(int(np.bincount(place).max()), 1)
    for one in np.unique(place):
        members = np.flatnonzero(place == one)
        height[members] = (np.arange(len(members)) - (len(members) - 1) / 2) / fullest
    # Few points keep the distance they would have in a crowd.
    return height * min(0.8, 0.06 * fullest)


def _shades(values: Floats) -> Iterator[tuple[str, Mask]]:
    """The points of each shade: fifths of the feature's values, and the unknown ones."""
    unknown = np.isnan(values)
    yield _UNKNOWN, unknown
    if unknown.all():
        return
    # Between distinct values, so that a feature of two values has two shades.
    ranks = np.searchsorted(np.unique(values[~unknown]), values)
    share = ranks / max(int(ranks[~unknown].max()), 1)
    fifth = np.minimum((share * len(_VALUE_SHADES)).astype(np.int64), len(_VALUE_SHADES) - 1)
    for index, shade in enumerate(_VALUE_SHADES):
        yield shade, (fifth == index) & ~unknown


def _points(bins: Sequence[ReliabilityBin]) -> tuple[list[float], list[float]]:
    return [one.forecast for one in bins], [one.observed.value or 0.0 for one in bins]


def _values(points: Sequence[tuple[float, Estimate]]) -> list[float]:
    return [np.nan if one.value is None else one.value for _, one in points]


def _percent(axes: Axes) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, [f"{100 * one:.0f}" for one in ticks])
    axes.set_yticks(ticks, [f"{100 * one:.0f}" for one in ticks])
