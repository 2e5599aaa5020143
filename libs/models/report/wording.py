"""Numbers as people read them, and what stands out in them."""

from collections.abc import Iterator

from libs.models.abstention import Abstention
from libs.models.report.beside import Beside
from libs.models.report.estimates import Estimate
from libs.models.report.findings import Findings
from libs.models.report.material import ReportMaterial
from libs.models.report.measures import LOG_LOSS
from libs.models.report.slices import SliceResult

# What is said of a slice must not be said of a handful of lines.
_SLICE_LINES = 100
# Above this share of all importance, one feature is the model, or it knows what it should not.
_ONE_FEATURE = 0.5
# A longer name pushes the numbers off the page.
_LONGEST_NAME = 60
_AGAINST = {"better": "Better than", "worse": "Worse than", "alike": "No clear difference from"}
_MINUS = "\N{MINUS SIGN}"


def number(value: float | None, share: bool = False, signed: bool = False) -> str:
    """A value with three digits that matter: a share in per cent, anything else plain."""
    if value is None:
        return "not measurable"
    digits = 2 if signed and abs(value) < 0.001 else 1
    text = (
        f"{abs(100 * value):.{digits}f}" if share else f"{abs(value):.4f}" if abs(value) < 0.1 else f"{abs(value):.3f}"
    )
    sign = _MINUS if value < 0 and text.strip("0.") else "+" if signed and text.strip("0.") else ""
    return f"{sign}{text}{' %' if share and not signed else ' pts' if share else ''}"


def interval(estimate: Estimate, share: bool = False, signed: bool = False) -> str:
    """The interval, or that there is none."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    unit = " pts" if share and signed else " %" if share else ""
    ends = [number(one, share, signed).removesuffix(" pts").removesuffix(" %") for one in (estimate.low, estimate.high)]
    return f"{ends[0]} to {ends[1]}{unit}"


def against(difference: Estimate, higher: bool) -> str:
    """`better`, `worse`, or `alike` where the interval of the difference reaches across zero."""
    if not difference.excludes_zero or difference.value is None:
        return "alike"
    return "better" if (difference.value > 0) == higher else "worse"


def short(name: str) -> str:
    """A name from the market's data, without control characters and not longer than a table bears."""
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME - 1]}…"


def comparison(beside: Beside | None, version: str) -> str:
    """The comparison with the champion in one sentence."""
    if beside is None:
        return "There is no champion to compare with."
    if beside.shared is None:
        return f"It cannot be compared with the champion, version {version}: no line of the holdout is new to both."
    gap = next(one.difference for one in beside.shared.compared if one.measure == LOG_LOSS)
    found = _AGAINST[against(gap, higher=False)]
    return (
        f"{found} the champion, version {version}, on the {beside.lines:,} lines that are new to both: "
        f"log loss {number(gap.value, signed=True)} ({interval(gap, signed=True)})."
    )


def common_lines(beside: Beside) -> str:
    """Which lines the two models are compared on, and why these."""
    learnt = f"The champion has learnt from orders until {beside.knows_until:%Y-%m-%d %H:%M}"
    if beside.shared is None:
        return (
            f"{learnt}, and no line of this holdout is later. There is no line that is new to both, so the two are not "
            "compared: a model looks better than it is on what it has learnt from."
        )
    if beside.whole:
        return f"{learnt}, so all {beside.lines:,} lines of the holdout are new to both, and both answer all of them."
    return (
        f"{learnt}, so only {beside.lines:,} of the {len(beside.unseen):,} lines of the holdout are new to both, and "
        "these are compared. The drawings, which are of the whole holdout, leave the champion out."
    )


def threshold(chosen: Abstention) -> str:
    """Where the threshold comes from."""
    if chosen.wanted_precision is None:
        return "This is the market's floor; it asks for no precision beyond."
    wanted = number(chosen.wanted_precision, share=True)
    if not chosen.reached:
        return f"No threshold reached the wanted precision of {wanted} on the calibration window, so the floor stands."
    return f"It is the lowest that surely has the wanted precision of {wanted} on the calibration window."


def notes(material: ReportMaterial, findings: Findings) -> list[str]:
    """What is worth a look before anybody believes the summary."""
    return [
        *_close_calls(material, findings),
        *_weak_slices(findings),
        *_worse_slices(findings.slices),
        *_wrong_promises(findings.slices, material.market.standards.max_calibration_error),
        *_one_feature(findings),
    ]


def _close_calls(material: ReportMaterial, findings: Findings) -> Iterator[str]:
    by_name = {one.measure.name: one for one in findings.measured}
    for check in material.judgement.checks:
        one = by_name.get(check.name)
        if one is None or one.value.low is None or one.value.high is None or not check.passed:
            continue
        if one.value.low < check.bound < one.value.high:
            share = one.measure.share
            yield (
                f"{one.measure.label} meets its standard of {number(check.bound, share)}, but not beyond doubt: "
                f"its interval is {interval(one.value, share)}."
            )


def _weak_slices(findings: Findings) -> Iterator[str]:
    overall = next(one.value.value for one in findings.measured if one.measure.name == "auc_macro")
    judged = [one for one in findings.slices if one.lines >= _SLICE_LINES and one.auc_macro.high is not None]
    if overall is None or not judged:
        return
    weakest = min(judged, key=lambda one: one.auc_macro.value or 0.0)
    if weakest.auc_macro.high is not None and weakest.auc_macro.high < overall:
        yield (
            f"The weakest slice is “{_name(weakest)}”: macro AUC {number(weakest.auc_macro.value)} "
            f"({interval(weakest.auc_macro)}), overall {number(overall)}."
        )


def _worse_slices(slices: list[SliceResult]) -> Iterator[str]:
    for one in slices:
        if one.over_champion and one.lines >= _SLICE_LINES and against(one.over_champion, higher=False) == "worse":
            gap = one.over_champion
            yield (
                f"Worse than the champion in “{_name(one)}”: log loss {number(gap.value, signed=True)} "
                f"({interval(gap, signed=True)})."
            )


def _wrong_promises(slices: list[SliceResult], tolerated: float) -> Iterator[str]:
    for one in slices:
        gap = one.fit_gap
        if one.lines >= _SLICE_LINES and gap.value is not None and gap.excludes_zero and abs(gap.value) > tolerated:
            much = "much" if gap.value > 0 else "little"
            yield (
                f"Promises too {much} in “{_name(one)}”: forecast less observed share kept is "
                f"{number(gap.value, share=True, signed=True)} ({interval(gap, share=True, signed=True)})."
            )


def _one_feature(findings: Findings) -> Iterator[str]:
    sizes = findings.importance.mean_size
    total = float(sizes.sum())
    if total > 0 and sizes[0] / total > _ONE_FEATURE:
        yield (
            f"The feature “{findings.importance.names[0]}” carries {number(float(sizes[0]) / total, share=True)} "
            "of all importance: make sure that it is known before the order."
        )


def _name(one: SliceResult) -> str:
    return f"{one.group}: {short(one.label)}"
