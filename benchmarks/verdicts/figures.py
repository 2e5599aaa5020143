"""What is said of the verdicts that the windows of each scenario ended with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.verdicts.judges import Judged
from benchmarks.verdicts.streams import EFFECT, WINDOW

WORSE = ("failing", "slower", "worse_quality")


@dataclass(frozen=True)
class Bar:
    """What a figure of Fitwave has to reach."""

    figure: str
    meaning: str
    bound: float
    at_least: bool = False

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


BARS = (
    Bar("false_promote_rate", "promoted although worse by the margin, the worst of three ways", 0.01),
    Bar("false_promote_rate_equal_peeking", "promoted although equal, looked at every hour", 0.05),
    Bar("power_better", f"promoted when log loss is lower by {EFFECT:g}", 0.80, at_least=True),
    Bar("underpowered_slice_veto_rate", "rejected for a slice of some 25 requests", 0.0),
)

Ends = Mapping[str, Sequence[Judged]]


def figures(ends: Ends) -> dict[str, Any]:
    """One judge's figures, from how each scenario's windows ended."""
    promoted = {name: _share([one.decision == "promote" for one in windows]) for name, windows in ends.items()}
    good = [one.hours for one in ends["better"] if one.decision == "promote"]
    return {
        "false_promote_rate": max(promoted[name] for name in WORSE),
        "false_promote_rate_equal_peeking": promoted["equal"],
        "power_better": promoted["better"],
        "power_slightly_better": promoted["slightly_better"],
        "median_hours_to_verdict": median(good) if good else None,
        "underpowered_slice_veto_rate": _share([one.slice_veto for one in ends["tiny_slice"]]),
        "failing_slice_promote_rate": promoted["failing_slice"],
        "failing_slice_veto_rate": _share([one.slice_veto for one in ends["failing_slice"]]),
        "promote_rate": promoted,
        "median_hours": {name: median(one.hours for one in windows) for name, windows in ends.items()},
    }


def table(found: Mapping[str, Mapping[str, Any]], windows: int) -> list[str]:
    """The figures of all judges, and what became of the bars."""
    lines = [
        f"{windows:,} windows of each kind, {WINDOW.max_hours:g} hours; Fitwave looks hourly, the others daily.",
        "",
        "| | Fitwave | z-test | Mann-Whitney | bar for Fitwave | |",
        "|---|---|---|---|---|---|",
    ]
    for bar in BARS:
        values = [f"{found[judge][bar.figure]:.1%}" for judge in ("fitwave", "z_test", "mann_whitney")]
        if bar.figure == "underpowered_slice_veto_rate":
            values[1:] = ["no slices"] * 2
        sign = "at least" if bar.at_least else "at most"
        state = "reached" if bar.reached(found["fitwave"][bar.figure]) else "missed"
        lines.append(f"| {bar.meaning} | {' | '.join(values)} | {sign} {bar.bound:.0%} | {state} |")
    for name, meaning, form in (
        ("power_slightly_better", "promoted when log loss is lower by half of that", "{:.1%}"),
        ("median_hours_to_verdict", "hours to the verdict on a better one, median", "{:g}"),
        ("failing_slice_promote_rate", "promoted although 6 % of the requests fail at 12 %", "{:.1%}"),
    ):
        values = [_shown(found[judge][name], form) for judge in ("fitwave", "z_test", "mann_whitney")]
        lines.append(f"| {meaning} | {' | '.join(values)} | | |")
    return lines


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / len(flags), 4)


def _shown(value: float | None, form: str) -> str:
    return "none" if value is None else form.format(value)
