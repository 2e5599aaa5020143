"""The measures of the minimum standards by name, in words, and as what the bootstrap asks."""

from collections.abc import Callable
from dataclasses import dataclass

from libs.features.outcomes import OUTCOMES
from libs.models import weighted
from libs.models.bootstrap import Statistic
from libs.models.lines import Lines
from libs.models.outcomes import FIT


@dataclass(frozen=True)
class Measure:
    """A named measure; `higher` says whether more of it is better. Shares are shown in per cent."""

    name: str
    label: str
    meaning: str
    higher: bool
    share: bool
    of: Callable[[Lines], Statistic]


def fit_gap(lines: Lines) -> Statistic:
    """Forecast less observed share of kept lines: above zero, the model promises too much."""
    return weighted.mean(lines.predicted[:, FIT] - lines.kept)


AUC_MACRO = Measure(
    "auc_macro",
    "Macro AUC",
    "how well small, fit and large are told apart: 0.5 is a coin, 1 is perfect",
    higher=True,
    share=False,
    of=lambda lines: weighted.auc_macro(lines.predicted, lines.outcomes),
)
LOG_LOSS = Measure(
    "log_loss",
    "Log loss",
    "how surprised the model is by what happened",
    higher=False,
    share=False,
    of=lambda lines: weighted.mean(lines.losses),
)
CALIBRATION = Measure(
    "calibration_error",
    "Calibration error",
    "mean gap between forecast and observed frequency",
    higher=False,
    share=True,
    of=lambda lines: weighted.calibration_error(lines.predicted, lines.outcomes),
)
COVERAGE = Measure(
    "coverage",
    "Coverage",
    "share of lines that get an answer",
    higher=True,
    share=True,
    of=lambda lines: weighted.mean(lines.answered),
)
TOP1 = Measure(
    "top1_accuracy",
    "Right size first",
    "of kept lines, the share whose size the model names first",
    higher=True,
    share=True,
    of=lambda lines: weighted.mean(lines.hit, lines.kept),
)
KEY_MEASURES = (AUC_MACRO, LOG_LOSS, CALIBRATION, COVERAGE, TOP1)
CLASS_AREAS = tuple(
    Measure(
        f"auc_{name}",
        f"AUC {name}",
        f"how well lines that turned out {name} are told from the others",
        higher=True,
        share=False,
        of=lambda lines, code=code: weighted.area(lines.outcomes == code, lines.predicted[:, code]),  # type: ignore[misc]
    )
    for code, name in enumerate(OUTCOMES)
)
MEASURES = (*KEY_MEASURES, *CLASS_AREAS)
