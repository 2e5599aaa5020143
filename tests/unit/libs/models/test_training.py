"""Training one market: splits are respected, and thin data is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from libs.base.errors import DataError
from libs.features.assembly import FEATURES
from libs.models.training import Fitted, fit_market, learned
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


def test_a_line_teaches_with_its_choice_and_without_and_in_a_shuffled_order_with_it(training_path: Path) -> None:
    rows = pl.read_parquet(training_path).head(50)
    both, outcomes = learned(rows, rows.clear())
    more, more_outcomes = learned(rows, rows.head(20))
    chosen = np.isfinite(more[:, FEATURES.index("chosen_position")])
    assert chosen.tolist() == [True] * 50 + [False] * 50 + [True] * 20
    assert np.array_equal(more[:100], both, equal_nan=True)
    assert np.array_equal(more[100:], both[:20], equal_nan=True)
    assert more_outcomes.tolist() == [*outcomes, *outcomes[:20]]


def test_the_champion_is_evaluated_on_the_same_lines(fitted: Fitted, training_path: Path) -> None:
    again = fit_market(MARKET, str(training_path), fitted.package)
    assert again.champion is not None and again.champion.evaluation is not None
    assert np.array_equal(again.champion.evaluation.losses, fitted.evaluation.losses)


def test_a_market_with_too_few_lines_is_told_what_to_do(training_path: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(training_path).filter(pl.col("split") != "holdout")
    rows.write_parquet(tmp_path / "thin.parquet")
    with pytest.raises(DataError, match=r"'de' has 0 labelled mature lines in its holdout window, 100 are needed"):
        fit_market(MARKET, str(tmp_path / "thin.parquet"), champion=None)
