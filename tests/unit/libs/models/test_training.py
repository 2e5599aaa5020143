"""Training one market: splits are respected, and thin data is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from libs.base.errors import DataError
from libs.models.training import Fitted, fit_market
from tests.unit.libs.models.conftest import MARKET


def test_labels_of_the_holdout_do_not_influence_the_model(fitted: Fitted, training_path: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(training_path)
    upset = rows.with_columns(
        outcome=pl.when(pl.col("split") == "holdout").then(pl.lit("large")).otherwise(pl.col("outcome"))
    )
    upset.write_parquet(tmp_path / "upset.parquet")
    again = fit_market(MARKET, str(tmp_path / "upset.parquet"), champion=None)
    assert again.package.booster.save_raw() == fitted.package.booster.save_raw()
    assert again.package.card.calibration == fitted.package.card.calibration


def test_the_champion_is_evaluated_on_the_same_lines(fitted: Fitted, training_path: Path) -> None:
    again = fit_market(MARKET, str(training_path), fitted.package)
    assert again.champion is not None
    assert np.array_equal(again.champion.lines.losses, fitted.evaluation.losses)


def test_a_market_with_too_few_lines_is_told_what_to_do(training_path: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(training_path).filter(pl.col("split") != "holdout")
    rows.write_parquet(tmp_path / "thin.parquet")
    with pytest.raises(DataError, match=r"'de' has 0 labelled mature lines in its holdout window, 100 are needed"):
        fit_market(MARKET, str(tmp_path / "thin.parquet"), champion=None)
