"""The minimum standards a version must reach before it may be shadowed."""

from dataclasses import dataclass
from typing import Any

from libs.base.market import MinimumStandards
from libs.models.evaluation import Evaluation


@dataclass(frozen=True)
class Check:
    """One standard: what was measured, what it had to be. `required` is false where a slice is too small to judge."""

    name: str
    value: float | None
    bound: float
    passed: bool
    required: bool = True


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
        missed = [check for check in self.checks if check.required and not check.passed]
        return "; ".join(f"{check.name} is {_show(check.value)}, the standard is {check.bound:g}" for check in missed)


def judge(standards: MinimumStandards, challenger: Evaluation, champion: Evaluation | None) -> Judgement:
    """Hold an evaluation against the standards; `champion` is the live version on the same holdout, if there is one."""
    overall = challenger.overall
    checks = [
        _at_least("holdout_lines", overall.lines, standards.min_holdout_lines),
        _at_least("auc_macro", overall.auc_macro, standards.min_auc_macro),
        _at_most("log_loss", overall.log_loss, standards.max_log_loss),
        _at_most("calibration_error", overall.calibration_error, standards.max_calibration_error),
        _at_least("coverage", overall.coverage, standards.min_coverage),
        _at_least("top1_accuracy", overall.top1_accuracy, standards.min_top1_accuracy),
    ]
    for name, standard in standards.slices.items():
        found = challenger.slices.get(name)
        check = _at_least(f"{name} auc_macro", found.auc_macro if found else None, standard.min_auc_macro)
        large_enough = found is not None and found.lines >= standard.min_lines
        checks.append(Check(check.name, check.value, check.bound, check.passed, required=large_enough))
    if champion is not None:
        excess = overall.log_loss - champion.overall.log_loss
        checks.append(_at_most("log_loss over champion", excess, standards.max_log_loss_over_champion))
    return Judgement(checks)


def _at_least(name: str, value: float | None, bound: float) -> Check:
    return Check(name, value, bound, value is not None and value >= bound)


def _at_most(name: str, value: float, bound: float) -> Check:
    return Check(name, value, bound, value <= bound)


def _show(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.4g}"


def judgement_from(values: dict[str, Any]) -> Judgement:
    """Read a judgement that was written as plain values."""
    return Judgement([Check(**check) for check in values["checks"]])
