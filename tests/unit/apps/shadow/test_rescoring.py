"""Lines are asked about again as they stood then, by models that have not learnt from them, and with mature labels."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from apps.shadow.rescoring import score
from apps.shadow.review import known_until
from libs.base.market import Market, Training
from libs.features.outcomes import FIT, OUTCOMES
from libs.features.tables import build_tables
from libs.models.package import Package
from libs.models.training import Fitted, fit_market
from tests.small_market import AS_OF, START, small_market

MARKET = Market(name="de", training=Training(rounds=5, min_child_weight=5))
DATA = small_market()


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return build_tables(MARKET, DATA.lines, DATA.returns, DATA.customers, DATA.articles, AS_OF).training


@pytest.fixture(scope="module")
def fitted(rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    path = tmp_path_factory.mktemp("rescoring") / "training.parquet"
    rows.write_parquet(path)
    return fit_market(MARKET, str(path), None)


def labelled(rows: pl.DataFrame) -> pl.DataFrame:
    codes = {name: code for code, name in enumerate(OUTCOMES)}
    return rows.select("line_id", outcome=pl.col("outcome").replace_strict(codes, return_dtype=pl.Int8))


def test_a_line_has_the_loss_that_it_has_in_a_holdout(rows: pl.DataFrame, fitted: Fitted) -> None:
    scored = score(labelled(fitted.holdout).reverse(), fitted.holdout, fitted.package, fitted.package)
    assert scored["line_id"].equals(fitted.holdout["line_id"])
    assert np.array_equal(scored["previous"], fitted.evaluation.losses)
    assert np.array_equal(scored["promoted"], fitted.evaluation.losses)


def test_what_either_version_has_learnt_from_is_left_out(rows: pl.DataFrame, fitted: Fitted) -> None:
    scored = score(labelled(rows), rows, fitted.package, fitted.package)
    assert scored["line_id"].equals(fitted.holdout["line_id"])
    windows: dict[str, Any] = fitted.package.card.training["windows"]
    until = fitted.holdout["ordered_at"].sort()[100]
    later = windows | {"calibration": windows["calibration"] | {"until": str(until)}}
    card = fitted.package.card.model_copy(update={"training": fitted.package.card.training | {"windows": later}})
    scored = score(labelled(rows), rows, fitted.package, Package(card, fitted.package.booster))
    assert len(scored) == (fitted.holdout["ordered_at"] > until).sum() < len(fitted.holdout)


def test_the_label_is_the_line_s_and_not_what_the_table_knows_by_now(fitted: Fitted) -> None:
    kept = labelled(fitted.holdout).with_columns(outcome=pl.lit(FIT, pl.Int8))
    scored = score(kept, fitted.holdout, fitted.package, fitted.package)
    fits = fitted.holdout["outcome"] == "fit"
    assert np.array_equal(scored.filter(fits)["previous"], fitted.evaluation.losses[fits.to_numpy()])
    assert (scored.filter(~fits)["previous"].to_numpy() != fitted.evaluation.losses[~fits.to_numpy()]).all()


def test_no_line_has_no_loss(fitted: Fitted) -> None:
    assert score(labelled(fitted.holdout), fitted.holdout.clear(), fitted.package, fitted.package).is_empty()


def test_a_lake_knows_no_more_than_its_last_order_and_its_last_return() -> None:
    orders, returns = DATA.lines, DATA.returns
    until = START + timedelta(days=60)
    earlier = returns.filter(pl.col("returned_at") < until)
    assert known_until(orders, earlier) == earlier["returned_at"].max()
    assert known_until(orders.filter(pl.col("ordered_at") < until), returns) < until
    assert known_until(orders, returns.clear()) < START
