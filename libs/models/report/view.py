"""What the page's template is given: findings in the order and the words of the page."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import numpy as np

from libs.features.outcomes import OUTCOMES
from libs.features.rules import FunnelStep
from libs.models.report.beside import Beside
from libs.models.report.curves import Roc
from libs.models.report.estimates import Estimate
from libs.models.report.findings import Findings, Measured
from libs.models.report.material import ReportMaterial
from libs.models.report.measures import KEY_MEASURES, LOG_LOSS
from libs.models.report.slices import SliceResult
from libs.models.report.wording import against, common_lines, comparison, interval, notes, number, short, threshold
from libs.models.standards import Check

_SECTIONS = {
    "look": "Worth a look",
    "standards": "Standards",
    "champion": "Champion",
    "reliability": "Reliability",
    "roc": "ROC",
    "confusion": "Confusion",
    "coverage": "When it answers",
    "slices": "Slices",
    "importance": "Importance",
    "funnel": "Funnel",
    "card": "How it was made",
}
_COUNTS = {"holdout_lines": "Holdout lines", "lines unseen by champion": "Lines unseen by champion"}
_FALSE_ALARMS = (0.05, 0.1, 0.2, 0.4)
# Slices of fewer lines have intervals that would flatten everybody else's.
_SCALE_LINES = 100
# Room on both sides of a tile's scale, so that nothing lies on its end.
_ROOM = 0.08


def view(material: ReportMaterial, found: Findings) -> dict[str, Any]:
    """Every name that the template uses, but for `found`, `champion` and `plots`."""
    champion, judgement, beside = material.champion, material.judgement, found.beside
    shared = beside.shared if beside else None
    confidence = material.market.standards.confidence
    by = {one.measure.name: one for one in found.measured}
    checks = [_standard(check, found) for check in judgement.checks]
    missed = [one for one in checks if one["check"].required and not one["check"].passed]
    return {
        "market": material.market,
        "judgement": judgement,
        "verdict": "Accepted" if judgement.passed else "Rejected",
        "required": sum(check.required for check in judgement.checks),
        "level": f"{100 * confidence:g} %",
        "by_chance": round((1 - confidence) * len(found.slices)),
        "comparison": comparison(beside, champion.version if champion else ""),
        "one_in": material.one_in,
        "common_lines": common_lines(beside) if beside else "",
        "shared": shared,
        "span": _span(material),
        "sections": [(name, title) for name, title in _SECTIONS.items() if champion or name != "champion"],
        "notes": notes(material, found),
        "by": by,
        "key": [_key(by[one.name], judgement.checks, beside) for one in KEY_MEASURES],
        "checks": checks,
        "missed": [f"{one['label']} is {one['value']}, the standard is {one['bound']}{one['note']}" for one in missed],
        "outcomes": OUTCOMES,
        "alarms": _FALSE_ALARMS,
        "confusion": found.confusion.tolist(),
        "advice": found.advice.tolist(),
        "threshold": threshold(material.package.card.abstention),
        "coverage": list(zip(found.coverage, found.champion_coverage or found.coverage, strict=True))[4::5],
        "slices": _slices(found),
        **_scales(found),
        "features": _features(found),
        "funnel": _funnel(material),
        "windows": _windows(material),
        "card": _card(material),
    }


def _span(material: ReportMaterial) -> str:
    ordered = material.holdout["ordered_at"]
    return f"Holdout of {str(ordered.min())[:10]} to {str(ordered.max())[:10]}"


def _key(one: Measured, checks: Iterable[Check], beside: Beside | None) -> dict[str, Any]:
    check = next((check for check in checks if check.name == one.measure.name), None)
    bound = check.bound if check else None
    compared = beside.shared.compared if beside and beside.shared and beside.whole else []
    old = next((other.champion for other in compared if other.measure == one.measure), None)
    low, high = _frame([one.value, Estimate(old), Estimate(bound)])
    room = _ROOM * (high - low)
    return {
        "measured": one,
        "check": check,
        "bound": bound,
        "old": old,
        "sign": _sign(check) if check else "",
        "low": low - room,
        "high": high + room,
    }


def _sign(check: Check) -> str:
    return "at least" if check.floor else "at most"


def _standard(check: Check, found: Findings) -> dict[str, Any]:
    """A check in words, with the interval of what it measured."""
    label, share = _COUNTS.get(check.name, check.name.replace("_", " ")), False
    for one in found.measured:
        if one.measure.name == check.name:
            label, share = one.measure.label, one.measure.share
        if check.name == f"{one.measure.name} over champion":
            label, share = f"{one.measure.label} over champion", one.measure.share
        if check.name == f"{one.measure.name} under champion":
            label, share = f"{one.measure.label} under champion", one.measure.share
    for part in found.slices:
        if part.standard and check.name == f"{part.standard} auc_macro":
            label = f"Macro AUC, {part.group}: {short(part.label)}"

    signed = check.name.endswith(" champion")

    def show(value: float | None) -> str:
        return f"{value:,.0f}" if check.name in _COUNTS and value is not None else number(value, share, signed)

    return {
        "check": check,
        "label": label,
        "value": show(check.value),
        "interval": ""
        if check.name in _COUNTS
        else interval(Estimate(check.value, check.low, check.high), share, signed),
        "bound": f"{_sign(check)} {show(check.bound)}",
        "note": f", {check.note}" if check.note else "",
    }


def _slices(found: Findings) -> list[tuple[str, list[SliceResult]]]:
    """The slices under their groups, all lines first."""
    whole = {one.measure.name: one.value for one in found.measured}
    compared = found.beside.shared.compared if found.beside and found.beside.shared else []
    everything = SliceResult(
        group="Together",
        label="all lines",
        lines=found.lines,
        customers=found.customers,
        kept=found.outcome_shares["fit"],
        auc_macro=whole["auc_macro"],
        log_loss=whole["log_loss"],
        top1_accuracy=whole["top1_accuracy"],
        fit_gap=found.fit_gap,
        over_champion=next((one.difference for one in compared if one.measure == LOG_LOSS), None),
    )
    return [(group, list(one)) for group, one in groupby((everything, *found.slices), lambda one: one.group)]


def _scales(found: Findings) -> dict[str, dict[str, Any]]:
    """From where to where each column of the slices is drawn."""
    large = [one for one in found.slices if one.lines >= _SCALE_LINES] or found.slices
    return {
        "frames": {
            name: _frame([getattr(one, name) for one in large]) for name in ("auc_macro", "top1_accuracy", "log_loss")
        },
        "reaches": {name: _reach([getattr(one, name) for one in large]) for name in ("fit_gap", "over_champion")},
    }


def _frame(estimates: Iterable[Estimate]) -> tuple[float, float]:
    ends = [end for one in estimates for end in (one.value, one.low, one.high) if end is not None] or [0.0]
    room = 0.05 * (max(ends) - min(ends)) or 0.01
    return min(ends) - room, max(ends) + room


def _features(found: Findings) -> list[dict[str, Any]]:
    drives = found.importance
    return [
        {
            "name": name,
            "size": float(drives.mean_size[index]),
            "shift": float(np.abs(drives.shift[:, index]).mean()),
            "fit": float(np.abs(drives.fit[:, index]).mean()),
            "gain": float(drives.gain[index]),
            "unknown": float(np.isnan(drives.values[:, index]).mean()),
        }
        for index, name in enumerate(drives.names)
    ]


def _funnel(material: ReportMaterial) -> list[dict[str, Any]]:
    if not material.funnel:
        return []
    steps, first = list(material.funnel), max(material.funnel[0].rows_in, 1)
    if windows := material.package.card.training.get("windows"):
        rule = f"{material.market.label_maturity_days} days old, and kept or returned for its fit"
        steps.append(FunnelStep(rule, steps[-1].rows_out, sum(span["lines"] for span in windows.values())))
    return [
        {
            "name": step.rule,
            "rows_in": step.rows_in,
            "rows_out": step.rows_out,
            "dropped": (step.rows_in - step.rows_out) / max(step.rows_in, 1),
            "left": step.rows_out / first,
        }
        for step in steps
    ]


def _windows(material: ReportMaterial) -> list[dict[str, Any]]:
    windows = material.package.card.training.get("windows", {})
    return [
        {"name": name, "lines": span["lines"], "begin": span["from"][:16], "end": span["until"][:16]}
        for name, span in sorted(windows.items(), key=lambda one: str(one[1]["from"]))
    ]


def _card(material: ReportMaterial) -> list[tuple[str, str]]:
    card = material.package.card
    config = card.training.get("config", {})
    others = {name: value for name, value in card.training.items() if name not in ("config", "windows")}
    return [
        *((name, str(value)) for name, value in others.items()),
        *((f"training.{name}", str(value)) for name, value in config.items()),
        ("label_maturity_days", str(material.market.label_maturity_days)),
        *((f"recommendation.{name}", str(value)) for name, value in card.recommendation.model_dump().items()),
        ("calibration slope", f"{card.calibration.slope:.3f}"),
        ("calibration intercepts", ", ".join(f"{one:.3f}" for one in card.calibration.intercepts)),
        ("boosting rounds", str(material.package.booster.num_boosted_rounds())),
        ("features", ", ".join(card.features)),
    ]


def _place(value: float, low: float, high: float) -> str:
    """Where a value lies between two ends, in per cent, at an end if beyond it; from the right if they are swapped."""
    share = (value - low) / (high - low) if high != low else 0.5
    return f"{100 * min(max(share, 0.0), 1.0):.1f}%"


def _reach(estimates: Iterable[Estimate | None]) -> float:
    """How far from zero these estimates go, to draw them on one scale."""
    ends = [abs(end) for one in estimates if one for end in (one.value, one.low, one.high) if end is not None]
    return 1.05 * max(ends, default=0.0) or 1.0


def _found_at(curve: Roc, false_alarms: float) -> float:
    return float(np.interp(false_alarms, curve.false_alarms, curve.found))


HELPERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "interval": interval,
    "against": against,
    "place": _place,
    "reach": _reach,
    "short": short,
    "found_at": _found_at,
}
