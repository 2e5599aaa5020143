"""One market's model: fit, calibrate, evaluate on the holdout, beside the champion if there is one."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import xgboost as xgb

from libs.base.errors import DataError
from libs.base.market import Market, Training
from libs.features.splits import CALIBRATION, HOLDOUT, SHUFFLED, TRAIN
from libs.models.abstention import Abstention, choose_threshold
from libs.models.checkpoint import Checkpoint
from libs.models.evaluation import Evaluation, evaluate
from libs.models.examples import LEARNED, bought, learned, read_splits
from libs.models.lines import answer
from libs.models.ordinal import Calibration, fit_booster, fit_calibration, margins
from libs.models.outcomes import check_outcomes, outcome_codes
from libs.models.package import Card, Package, new_card
from libs.models.rival import Rival, evaluate_champion

log = logging.getLogger(__name__)

# Fewer lines than this per split cannot be told from noise; the market waits for more data.
MIN_LINES = 100

# What an engine does: a training table's path, config and threads in, a fitted booster out.
Fit = Callable[[str, Training, int], xgb.Booster]


def fit_alone(
    training_path: str, training: Training, threads: int, checkpoint: Checkpoint | None = None
) -> xgb.Booster:
    """The engine of most markets: all examples in the memory of this process."""
    return fit_booster(*learned(read_splits(training_path, LEARNED)), training, threads, checkpoint)


@dataclass(frozen=True)
class Fitted:
    """A fitted market: the package, how it does on the holdout, and how the champion does on what neither has seen."""

    package: Package
    evaluation: Evaluation
    champion: Rival | None
    holdout: pl.DataFrame


def fit_market(
    market: Market, training_path: str, champion: Package | None, threads: int = 1, fit: Fit = fit_alone
) -> Fitted:
    """Fit one market from its training table, with the booster fitted by `fit`.

    Raises:
        DataError: a split has too few lines, or an outcome never occurs.
    """
    spans = require_lines(market, training_path)
    booster = fit(training_path, market.training, threads)
    splits = read_splits(training_path, (CALIBRATION, HOLDOUT)).partition_by("split", as_dict=True)
    calibration, holdout = splits[(CALIBRATION,)], splits[(HOLDOUT,)]
    package = Package(_card(market, _calibrations(booster, calibration), spans), booster)
    package = _with_threshold(package, calibration, threads)
    return Fitted(
        package=package,
        evaluation=evaluate(package, holdout, threads),
        champion=evaluate_champion(champion, holdout, threads) if champion is not None else None,
        holdout=holdout,
    )


def require_lines(market: Market, training_path: str) -> dict[str, dict[str, Any]]:
    """How many lines each window has, and from when to when, of a market that can be trained.

    Raises:
        DataError: a split has too few lines, or an outcome never occurs in what is learned from.
    """
    table = pl.scan_parquet(training_path)
    ordered = pl.col("ordered_at")
    spans = table.group_by("split").agg(lines=pl.len(), first=ordered.min(), last=ordered.max())
    by_split = {row["split"]: row for row in spans.collect().iter_rows(named=True)}
    for name in (TRAIN, CALIBRATION, HOLDOUT):
        lines = by_split.get(name, {"lines": 0})["lines"]
        if lines < MIN_LINES:
            raise DataError(
                f"market {market.name!r} has {lines} labelled mature lines in its {name} window, "
                f"{MIN_LINES} are needed. Wait for more data, or shorten label_maturity_days or the windows."
            )
    check_outcomes(outcome_codes(table.filter(pl.col("split") == TRAIN).select("outcome").collect()))
    return {
        name: {"lines": row["lines"], "from": str(row["first"]), "until": str(row["last"])}
        for name, row in by_split.items()
        if name != SHUFFLED
    }


def _calibrations(booster: xgb.Booster, rows: pl.DataFrame) -> tuple[Calibration, Calibration]:
    """One for questions without a chosen size, one for those with."""
    open_, chosen = (bought(rows, with_choice=with_choice) for with_choice in (False, True))
    return tuple(fit_calibration(margins(booster, raw), outcomes) for raw, outcomes in (open_, chosen))  # type: ignore[return-value]


def _with_threshold(package: Package, rows: pl.DataFrame, threads: int) -> Package:
    """The package with the abstention threshold that its market wants, chosen on lines the booster has not seen."""
    policy = package.card.recommendation
    lines = answer(package, rows, threads)
    chosen = choose_threshold(
        confidence=lines.confidence,
        named_was_bought=lines.hit,
        kept=lines.kept,
        floor=policy.min_confidence,
        wanted_precision=policy.wanted_precision,
    )
    if not chosen.reached:
        log.warning(
            "market %s: no threshold reaches a precision of %s on its calibration window; min_confidence %s stands",
            package.card.market,
            policy.wanted_precision,
            policy.min_confidence,
        )
    return replace(package, card=package.card.model_copy(update={"abstention": chosen}))


def _card(market: Market, calibrations: tuple[Calibration, Calibration], spans: dict[str, dict[str, Any]]) -> Card:
    return new_card(
        market.name,
        *calibrations,
        market.recommendation,
        Abstention(market.recommendation.min_confidence, None, True, ()),
        {"config": market.training.model_dump(mode="json"), "windows": spans},
    )
