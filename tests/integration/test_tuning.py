"""The search on the real Ray Tune: seeded, in shared processes, and at an end when the budget says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.market import Market, Training
from libs.features.tables import build_tables
from libs.models.ordinal import booster_data
from libs.models.tuning import Budget, Tuned, inner_data, search, validation_losses
from tests.small_market import AS_OF, small_market

# Deep trees at full steps learn the lines by heart: anything that is drawn is better.
MARKET = Market(name="de", training=Training(rounds=60, max_depth=8, learning_rate=1.0, min_child_weight=0))


@pytest.fixture(scope="module")
def training_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    data = small_market(lines=8_000)
    tables = build_tables(MARKET, data.lines, data.returns, data.customers, data.articles, AS_OF)
    path = tmp_path_factory.mktemp("training") / "training.parquet"
    tables.training.write_parquet(path)
    return str(path)


@pytest.fixture(scope="module")
def ray_cluster(endpoints: Endpoints) -> Iterator[None]:
    with connected(endpoints):
        yield


@pytest.fixture(scope="module")
def tuned(ray_cluster: None, training_path: str, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return search(MARKET, training_path, Budget(minutes=2, trials=5), tmp_path_factory.mktemp("trials"))


def test_a_search_tries_the_configured_set_and_finds_what_is_better(tuned: Tuned) -> None:
    assert len(tuned.trials) == 5
    assert tuned.faults == []
    assert tuned.trials[-1].training == MARKET.training
    losses = [one.log_loss for one in tuned.trials]
    assert losses == sorted(losses)
    assert tuned.found == tuned.trials[0].training
    assert tuned.better
    assert tuned.interval.low < tuned.difference < tuned.interval.high < 0


def test_a_trial_measures_what_this_process_measures(tuned: Tuned, training_path: str) -> None:
    inner = inner_data(MARKET, training_path)
    data = booster_data(inner.fit.rows, inner.fit.outcomes)
    for trial in tuned.trials:
        assert validation_losses(inner, data, trial.training).mean() == pytest.approx(trial.log_loss, abs=1e-12)


def test_a_search_ends_when_its_minutes_are_over_and_tries_the_same_sets_until_then(
    tuned: Tuned, training_path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = search(MARKET, training_path, Budget(minutes=30 / 60, trials=10_000), tmp_path)
    assert short.seconds < 90
    assert 0 < len(short.trials) < 10_000
    losses = {str(one.training): one.log_loss for one in short.trials}
    both = {str(one.training): one.log_loss for one in tuned.trials if str(one.training) in losses}
    assert both.items() <= losses.items()
    # In the order of their drawing, but for the one of two at a time that the end may have cut short.
    assert len(both) >= min(len(tuned.trials) - 1, len(losses))
    assert capsys.readouterr().out == ""
