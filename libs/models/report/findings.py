"""Everything the report says, measured once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from libs.features.outcomes import OUTCOMES
from libs.models.report.answers import Answers, answers
from libs.models.report.curves import (
    Counts,
    CoveragePoint,
    ReliabilityBin,
    Roc,
    advice,
    confusion,
    histogram,
    operating_point,
    precision_coverage,
    reliability,
    roc,
)
from libs.models.report.importance import Importance, importance
from libs.models.report.material import ReportMaterial
from libs.models.report.measures import CLASS_AREAS, KEY_MEASURES, Measure, fit_gap
from libs.models.report.resampling import Estimate, Resampling, difference
from libs.models.report.slices import SliceResult, measure, slices

_HISTOGRAM_BINS = 25


@dataclass(frozen=True)
class Measured:
    """One measure of this version, of the champion, and the paired difference of the two."""

    measure: Measure
    value: Estimate
    champion: Estimate | None
    difference: Estimate | None


@dataclass(frozen=True)
class OutcomeCurves:
    """The curves of one outcome, of this version and of the champion."""

    outcome: str
    roc: Roc | None
    champion_roc: Roc | None
    bins: list[ReliabilityBin]
    champion_bins: list[ReliabilityBin] | None
    masses: Sequence[int]


@dataclass(frozen=True)
class Disagreement:
    """Lines to which the two models name different sizes; of those that were kept, who named the kept size."""

    lines: int
    kept: int
    right: int
    champion_right: int


@dataclass(frozen=True)
class Findings:
    """What the page shows.

    `no_skill_log_loss` is that of always forecasting the holdout's own shares of outcomes; `chance` the share of kept
    lines that a size named at random would hit.
    """

    lines: int
    customers: int
    articles: int
    outcome_shares: dict[str, float]
    measured: list[Measured]
    curves: list[OutcomeCurves]
    coverage: list[CoveragePoint]
    champion_coverage: list[CoveragePoint] | None
    here: CoveragePoint
    no_skill_log_loss: float
    chance: float
    fit_gap: Estimate
    confusion: Counts
    advice: Counts
    disagreement: Disagreement | None
    slices: list[SliceResult]
    importance: Importance


def find(material: ReportMaterial) -> Findings:
    """Measure this version, and the champion on the same lines."""
    rows = material.holdout
    mine = answers(material.package, rows)
    champions = answers(material.champion.package, rows) if material.champion else None
    resampling = Resampling(rows["customer_id"].cast(pl.String).to_list())
    shares = np.bincount(mine.outcomes, minlength=3) / len(rows)
    sizes = rows["positions"].list.len().to_numpy()
    return Findings(
        lines=len(rows),
        customers=rows["customer_id"].n_unique(),
        articles=rows["article_id"].n_unique(),
        outcome_shares=dict(zip(OUTCOMES, shares.tolist(), strict=True)),
        measured=[_measured(one, mine, champions, resampling) for one in (*KEY_MEASURES, *CLASS_AREAS)],
        curves=[_curves(code, mine, champions, resampling) for code in range(len(OUTCOMES))],
        coverage=precision_coverage(mine, resampling),
        champion_coverage=precision_coverage(champions, resampling) if champions else None,
        here=operating_point(mine, material.package.card.abstention.threshold, resampling),
        no_skill_log_loss=float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0]))),
        chance=float(np.mean(1 / sizes[mine.kept])) if mine.kept.any() else 0.0,
        fit_gap=resampling.estimate(fit_gap(mine, np.ones(len(rows), dtype=np.bool_))),
        confusion=confusion(mine),
        advice=advice(mine),
        disagreement=_disagreement(mine, champions) if champions else None,
        slices=[measure(one, mine, champions, resampling) for one in slices(rows)],
        importance=importance(material.package, rows),
    )


def _measured(one: Measure, mine: Answers, champions: Answers | None, resampling: Resampling) -> Measured:
    rows = np.ones(len(mine.outcomes), dtype=np.bool_)
    statistic = one.of(mine, rows)
    value = resampling.estimate(statistic)
    if champions is None:
        return Measured(one, value, None, None)
    other = one.of(champions, rows)
    return Measured(one, value, resampling.estimate(other), resampling.estimate(difference(statistic, other)))


def _curves(code: int, mine: Answers, champions: Answers | None, resampling: Resampling) -> OutcomeCurves:
    actual = mine.outcomes == code
    return OutcomeCurves(
        outcome=OUTCOMES[code],
        roc=roc(actual, mine.bought[:, code]),
        champion_roc=roc(actual, champions.bought[:, code]) if champions else None,
        bins=reliability(mine.bought[:, code], actual, resampling),
        champion_bins=reliability(champions.bought[:, code], actual, resampling) if champions else None,
        masses=histogram(mine.bought[:, code], _HISTOGRAM_BINS).tolist(),
    )


def _disagreement(mine: Answers, champions: Answers) -> Disagreement:
    differ = mine.steps != champions.steps
    return Disagreement(
        lines=int(differ.sum()),
        kept=int((differ & mine.kept).sum()),
        right=int((differ & mine.kept & mine.hit).sum()),
        champion_right=int((differ & mine.kept & champions.hit).sum()),
    )
