"""A model fitted once on the small market; every test of this folder may look at it."""

from pathlib import Path

import pytest

from libs.base.market import Market, Training
from libs.features.tables import MarketFeatures, build_tables
from libs.models.training import Fitted, fit_market
from tests.small_market import AS_OF, small_market

MARKET = Market(name="de", training=Training(rounds=30, min_child_weight=5))


@pytest.fixture(scope="session")
def tables() -> MarketFeatures:
    data = small_market(lines=8_000)
    return build_tables(MARKET, data.lines, data.returns, data.customers, data.articles, AS_OF)


@pytest.fixture(scope="session")
def training_path(tables: MarketFeatures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("training") / "training.parquet"
    tables.training.write_parquet(path)
    return path


@pytest.fixture(scope="session")
def fitted(training_path: Path) -> Fitted:
    return fit_market(MARKET, str(training_path), champion=None)
