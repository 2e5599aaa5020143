"""One market's model: fit, calibrate, evaluate on the holdout, beside the champion if there is one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from libs.base.errors import DataError
from libs.base.market import Market
from libs.features.assembly import assemble
from libs.features.frames import bought_candidates, requests_from_training
from libs.features.tables import CALIBRATION, HOLDOUT, TRAIN
from libs.models.body import BodySize, fit_body_size
from libs.models.evaluation import Evaluation, evaluate, outcome_codes
from libs.models.ordinal import Calibration, FitBooster, fit_booster, fit_calibration, margins
from libs.models.package import Package, load, new_card

# Fewer lines than this per split cannot be told from noise; the market waits for more data.
_MIN_LINES = 100


@dataclass(frozen=True)
class Fitted:
    """A fitted market: the package, and how it and the champion do on the same holdout."""

    package: Package
    evaluation: Evaluation
    champion: Evaluation | None
    holdout: pl.DataFrame


def fit_market(
    market: Market, training_path: str, champion: Path | None, threads: int = 1, fit: FitBooster = fit_booster
) -> Fitted:
    """Fit one market from its training table, with the booster fitted by `fit`.

    Raises:
        DataError: a split has too few lines, or an outcome never occurs.
    """
    rows = pl.read_parquet(training_path)
    splits = {name: rows.filter(pl.col("split") == name) for name in (TRAIN, CALIBRATION, HOLDOUT)}
    for name, split in splits.items():
        if len(split) < _MIN_LINES:
            raise DataError(
                f"market {market.name!r} has {len(split)} labelled mature lines in its {name} window, "
                f"{_MIN_LINES} are needed. Wait for more data, or shorten label_maturity_days or the windows."
            )
    body_size = _fit_body(splits[TRAIN])
    booster = fit(*_bought(splits[TRAIN], body_size), market.training, threads)
    raw, outcomes = _bought(splits[CALIBRATION], body_size)
    calibration = fit_calibration(margins(booster, raw), outcomes)
    package = Package(_card(market, calibration, body_size, splits), booster)
    return Fitted(
        package=package,
        evaluation=evaluate(package, splits[HOLDOUT]),
        champion=evaluate(load(champion), splits[HOLDOUT]) if champion is not None else None,
        holdout=splits[HOLDOUT],
    )


def _fit_body(rows: pl.DataFrame) -> BodySize:
    kept = rows.filter(pl.col("outcome") == "fit")
    requests = requests_from_training(kept)
    return fit_body_size(requests.values, requests.size_values["positions"][bought_candidates(kept, requests)])


def _bought(rows: pl.DataFrame, body_size: BodySize) -> tuple[Any, Any]:
    """The assembled row of the size that was bought, and its outcome, for each line."""
    requests = requests_from_training(rows)
    assembled = assemble(requests, body_size.position(requests.values))
    return assembled[bought_candidates(rows, requests)], outcome_codes(rows)


def _card(market: Market, calibration: Calibration, body_size: BodySize, splits: dict[str, pl.DataFrame]) -> Any:
    spans = {
        name: {"lines": len(rows), "from": str(rows["ordered_at"].min()), "until": str(rows["ordered_at"].max())}
        for name, rows in splits.items()
    }
    return new_card(
        market.name,
        calibration,
        body_size,
        market.recommendation,
        {"config": market.training.model_dump(mode="json"), "windows": spans},
    )
