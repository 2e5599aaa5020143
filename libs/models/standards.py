"""The minimum standards a version must reach before it may be shadowed, and how sure it is that it does.

What decides, and why:

- A bound that people have set is held against the *measured value*; the interval shows how narrow the result is. Were
  the interval to decide, the bar would move with the size of the holdout: let through unless surely missed, a broken
  model passes where the least is known; held back unless surely met, a small market is refused for being small, and of
  seven standards that all hold, one often would not be.
- That a version is no worse than the *champion* is a claim, and has to be shown: the whole interval of the paired
  difference keeps the margin (non-inferiority). A holdout on which two equal models would often fail to show that, is
  too small to ask it of; there the measured difference must keep the margin. A version that measures as worse by more
  never passes, and a small market is not kept on an old model for lack of lines: what was not shown here, the shadow's
  verdict still asks for.
- A *slice* rejects only when it is surely missed, and is large enough: there are many, and one of them is low by chance
  in most weeks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from libs.base.market import MinimumStandards, SliceStandard
from libs.models import weighted
from libs.models.bootstrap import Floats, Interval, Statistic, interval, replicates
from libs.models.evaluation import Evaluation, Metrics, measure
from libs.models.lines import Lines
from libs.models.rival import Rival

# How often a holdout should let two equal models show that neither is worse: the usual power of a non-inferiority
# trial (Julious, "Sample sizes for clinical trials with Normal data", Statistics in Medicine 23, 2004, section 5).
_POWER = 0.9

_NARROW_MISS = "narrowly: the interval reaches the standard"
_NARROW = "met, but not beyond doubt"
_UNSURE_SLICE = "not judged: too few lines, or the interval reaches the standard"
_NOT_SHOWN = "the upper end of the interval must keep the standard"
_UNDERPOWERED = "the holdout is too small to tell: the measured difference decides"


@dataclass(frozen=True)
class Check:
    """One standard: what was measured, its interval, and what it had to be.

    `floor`: the bound is one from below. `low` and `high` are null for a plain count, and where there are too few
    customers for an interval. `required` is false where nothing can be told: such a check never rejects. `note` says
    what else there is to know.
    """

    name: str
    value: float | None
    bound: float
    passed: bool
    required: bool = True
    low: float | None = None
    high: float | None = None
    floor: bool = True
    note: str = ""

    def __str__(self) -> str:
        reach = f" ({self.low:.4g} to {self.high:.4g})" if self.low is not None and self.high is not None else ""
        note = f", {self.note}" if self.note else ""
        return f"{self.name} is {_show(self.value)}{reach}, the standard is {self.bound:g}{note}"


@dataclass(frozen=True)
class Judgement:
    """All checks of one version."""

    checks: list[Check]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks if check.required)

    @property
    def reason(self) -> str:
        """The standards missed, in one line; empty when all are met."""
        return "; ".join(str(check) for check in self.checks if check.required and not check.passed)

    @property
    def doubts(self) -> list[str]:
        """What did not reject, and is worth a look: standards met only narrowly, slices and differences not told."""
        return [str(check) for check in self.checks if check.note and (check.passed or not check.required)]

    def check(self, name: str) -> Check | None:
        """The check of this name, if it was made."""
        return next((check for check in self.checks if check.name == name), None)

    @property
    def bounds(self) -> dict[str, float]:
        """The ends of all intervals, and the differences from the champion, by names a metrics store takes."""
        ends: dict[str, float] = {}
        for check in self.checks:
            name = check.name.replace(" ", "_")
            if check.low is not None and check.high is not None:
                ends |= {f"{name}_low": check.low, f"{name}_high": check.high}
            if check.name.endswith(" champion") and check.value is not None:
                ends[name] = check.value
        return ends


def judge(standards: MinimumStandards, challenger: Evaluation, champion: Rival | None) -> Judgement:
    """Hold an evaluation against the standards.

    Args:
        standards: the market's.
        challenger: the new version on its holdout.
        champion: the live version on the lines of that holdout that it has not seen, if there is a live version.
    """
    drawn = replicates(challenger.lines.customers, _statistics(standards, challenger))
    checks = [
        _count("holdout_lines", challenger.overall.lines, standards.min_holdout_lines),
        *_overall(standards, challenger.overall, drawn),
        *(_slice(name, one, challenger, drawn, standards.confidence) for name, one in standards.slices.items()),
    ]
    if champion is not None:
        checks += _beside(standards, challenger, champion)
    return Judgement(checks)


_OF_LINES: dict[str, Callable[[Lines], Statistic]] = {
    "auc_macro": lambda lines: weighted.auc_macro(lines.predicted, lines.outcomes),
    "log_loss": lambda lines: weighted.mean(lines.losses),
    "calibration_error": lambda lines: weighted.calibration_error(lines.predicted, lines.outcomes),
    "coverage": lambda lines: weighted.mean(lines.answered),
    "top1_accuracy": lambda lines: weighted.mean(lines.hit, lines.kept),
}


def _statistics(standards: MinimumStandards, challenger: Evaluation) -> dict[str, Statistic]:
    lines = challenger.lines
    found = {name: of(lines) for name, of in _OF_LINES.items()}
    for name in standards.slices:
        if (rows := challenger.members.get(name)) is not None:
            found[_slice_name(name)] = weighted.on(rows, _OF_LINES["auc_macro"](lines.of(rows)))
    return found


def _overall(standards: MinimumStandards, found: Metrics, drawn: dict[str, Floats]) -> Iterator[Check]:
    bounds = {
        "auc_macro": (found.auc_macro, standards.min_auc_macro, True),
        "log_loss": (found.log_loss, standards.max_log_loss, False),
        "calibration_error": (found.calibration_error, standards.max_calibration_error, False),
        "coverage": (found.coverage, standards.min_coverage, True),
        "top1_accuracy": (found.top1_accuracy, standards.min_top1_accuracy, True),
    }
    for name, (value, bound, floor) in bounds.items():
        reach = interval(value, drawn[name], standards.confidence, least=0.0)
        passed = value is not None and (value >= bound if floor else value <= bound)
        note = (_NARROW if passed else _NARROW_MISS) if reach and reach.reaches(bound) else ""
        yield _check(name, value, bound, passed, reach, floor=floor, note=note)


def _slice(
    name: str, standard: SliceStandard, challenger: Evaluation, drawn: dict[str, Floats], confidence: float
) -> Check:
    found, bound = challenger.slices.get(name), standard.min_auc_macro
    value = found.auc_macro if found else None
    reach = interval(value, drawn[_slice_name(name)], confidence, least=0.0) if found else None
    passed = value is not None and value >= bound
    # A slice of many lines without one of the outcomes is not small, it is odd.
    sure = value is None or (reach is not None and not reach.reaches(bound))
    required = found is not None and found.lines >= standard.min_lines and (passed or sure)
    note = "" if required or passed else _UNSURE_SLICE
    return _check(_slice_name(name), value, bound, passed, reach, required=required, note=note)


def _slice_name(name: str) -> str:
    return f"{name} auc_macro"


def _beside(standards: MinimumStandards, challenger: Evaluation, champion: Rival) -> Iterator[Check]:
    """The challenger against the champion, on the lines that neither has seen."""
    count, needed = int(champion.unseen.sum()), standards.min_holdout_lines
    until = f"it has learnt from orders until {champion.knows_until:%Y-%m-%d %H:%M}, so the two cannot be compared"
    yield _count("lines unseen by champion", count, needed, until)
    if count < needed:
        return
    mine, theirs = challenger.lines.of(champion.unseen), champion.lines
    excess = mine.losses - theirs.losses
    mine_auc, theirs_auc = measure(mine).auc_macro, measure(theirs).auc_macro
    # Areas of the same outcomes: measurable for both models or for neither.
    shortfall = None if mine_auc is None or theirs_auc is None else theirs_auc - mine_auc
    drawn = replicates(
        mine.customers,
        {
            "log_loss": weighted.mean(excess),
            "auc_macro": weighted.less(_OF_LINES["auc_macro"](theirs), _OF_LINES["auc_macro"](mine)),
        },
    )
    sure = standards.confidence
    yield _no_worse(
        "log_loss over champion", float(excess.mean()), standards.max_log_loss_over_champion, drawn["log_loss"], sure
    )
    yield _no_worse(
        "auc_macro under champion", shortfall, standards.max_auc_macro_under_champion, drawn["auc_macro"], sure
    )


def _no_worse(name: str, value: float | None, margin: float, drawn: Floats, confidence: float) -> Check:
    """Non-inferiority; `value` is by how much the challenger is worse."""
    reach = interval(value, drawn, confidence)
    if value is None:
        return Check(name, None, margin, passed=False, required=False, floor=False, note="an outcome does not occur")
    if reach is not None and not reach.reaches(margin):
        return _check(name, value, margin, value <= margin, reach, floor=False)
    if reach is None or not _telling(reach, margin, confidence):
        return _check(name, value, margin, value <= margin, reach, floor=False, note=_UNDERPOWERED)
    return _check(name, value, margin, False, reach, floor=False, note=_NOT_SHOWN)


def _telling(reach: Interval, margin: float, confidence: float) -> bool:
    """Whether two equal models would show, as often as `_POWER`, that neither is worse by more than the margin."""
    normal = NormalDist()
    beyond = normal.inv_cdf((1 + confidence) / 2)
    error = (reach.high - reach.low) / 2 / beyond
    return (beyond + normal.inv_cdf(_POWER)) * error <= margin


def _count(name: str, value: int, bound: int, note: str = "") -> Check:
    return Check(name, value, bound, value >= bound, note=note if value < bound else "")


def _check(
    name: str,
    value: float | None,
    bound: float,
    passed: bool,
    reach: Interval | None,
    *,
    required: bool = True,
    floor: bool = True,
    note: str = "",
) -> Check:
    low, high = (reach.low, reach.high) if reach else (None, None)
    return Check(name, value, bound, passed, required, low, high, floor, note)


def _show(value: float | None) -> str:
    if value is None:
        return "not measurable"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def judgement_from(values: dict[str, Any]) -> Judgement:
    """Read a judgement that was written as plain values."""
    return Judgement([Check(**check) for check in values["checks"]])
