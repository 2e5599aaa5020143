"""Tuning on demand: nothing is left behind, and what is better is stored."""

import io
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from apps.trainer import tune
from apps.trainer.cli import app
from apps.trainer.tune import TuneRun, print_tuned, store
from libs.base.endpoints import Endpoints
from libs.base.environment import REPOSITORY, Environment, load_environment
from libs.base.errors import DataError
from libs.base.market import Training
from libs.features.preprocess import Failed
from libs.models.bootstrap import Interval
from libs.models.tuning import Budget, Trial, Tuned
from tests.environments import SMALL_MARKET, environment_in

CURRENT = Training(rounds=20, min_child_weight=5)
FOUND = CURRENT.model_copy(update={"rounds": 120, "max_depth": 7})
ENDPOINTS = Endpoints(
    redis_url="redis://127.0.0.1:1",
    mlflow_uri="sqlite://",
    ray_address="127.0.0.1:1",
    ray_dashboard_url="http://127.0.0.1:1",
    gateway_port=1,
)


def tuned(high: float = -0.005, faults: tuple[str, ...] = ()) -> Tuned:
    trials = [Trial(FOUND, 0.61, 2.0), Trial(CURRENT, 0.62, 1.0)]
    interval, lines = Interval(-0.02, high), {"fit": 5_000, "calibration": 600, "validation": 580}
    return Tuned(trials, list(faults), CURRENT, FOUND, -0.01, interval, lines, 30.0)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("FITWAVE_CONFIG", str(tmp_path / "config"))
    return environment_in(tmp_path, "test", {"de": SMALL_MARKET})


@pytest.fixture
def run(settings: Environment, monkeypatch: pytest.MonkeyPatch) -> TuneRun:
    @contextmanager
    def connected(endpoints: Endpoints) -> Iterator[None]:
        yield

    monkeypatch.setattr(tune, "connected", connected)
    return TuneRun(settings, ENDPOINTS, datetime(2026, 7, 6, tzinfo=UTC), lambda _: None)


def runs(settings: Environment) -> list[Path]:
    return list((settings.home / "runs").iterdir())


def said(store_or_print: Any, *arguments: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    store_or_print(console, *arguments)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_market_whose_data_are_bad_is_an_error_and_leaves_nothing_behind(
    run: TuneRun, settings: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preprocess(lake: str, markets: dict[str, Any], as_of: datetime, folder: Path) -> dict[str, Failed]:
        (folder / "staging").mkdir()
        return {name: Failed(name, "preprocess", "table 'orders' is broken") for name in markets}

    monkeypatch.setattr(tune, "preprocess", preprocess)
    with pytest.raises(DataError, match="table 'orders' is broken"):
        run.run("de", Budget())
    assert runs(settings) == []


def test_a_crash_leaves_nothing_behind_either(
    run: TuneRun, settings: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preprocess(lake: str, markets: dict[str, Any], as_of: datetime, folder: Path) -> dict[str, Failed]:
        (folder / "half.parquet").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "preprocess", preprocess)
    with pytest.raises(KeyboardInterrupt):
        run.run("de", Budget())
    assert runs(settings) == []


def test_the_found_set_is_stored_where_the_next_week_reads_it(settings: Environment) -> None:
    assert "stored in" in said(store, settings, "de", tuned(), True)
    training = load_environment("test").market("de").training
    assert (training.rounds, training.max_depth) == (120, 7)
    assert training.min_child_weight == 5


@pytest.mark.parametrize(
    ("found", "write", "why"), [(tuned(high=0.001), True, "not surely better"), (tuned(), False, "--dry-run")]
)
def test_what_is_not_surely_better_or_not_wanted_is_not_stored(
    settings: Environment, found: Tuned, write: bool, why: str
) -> None:
    assert why in said(store, settings, "de", found, write)
    assert load_environment("test").market("de") == settings.market("de")


def test_the_table_has_the_trials_the_budget_the_found_set_and_the_difference() -> None:
    text = said(print_tuned, tuned(faults=("OutOfMemoryError",)), Budget(minutes=10, trials=3))
    assert re.search(r"1 .* 120 .* 7 .* 0\.6100 .* 2\.0", text)
    assert re.search(r"current .* 20 .* 0\.6200 .* 1\.0", text)
    assert "budget: 2 of 3 trials, 0.5 of 10 minutes" in text
    assert "found:   rounds 120, max_depth 7, learning_rate 0.1, min_child_weight 5, subsample 0.8" in text
    assert "-0.0100 (-0.0200 to -0.0050" in text
    assert "failed: OutOfMemoryError" in text


def test_of_many_trials_the_best_are_shown_and_the_current_set_always() -> None:
    many = [Trial(FOUND.model_copy(update={"rounds": 100 + place}), 0.6, 1.0) for place in range(30)]
    text = said(print_tuned, replace(tuned(), trials=[*many, Trial(CURRENT, 0.9, 1.0)]), Budget())
    assert "111" in text and "112" not in text
    assert re.search(r"current .* 20 .* 0\.9000", text)
    assert "and 18 more" in text


@pytest.mark.parametrize("page", ["tuning.md", "standards.md"])
def test_the_commands_of_the_guides_are_commands(page: str) -> None:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    commands = [shlex.split(line, comments=True) for line in blocks.splitlines() if line.startswith("fitwave trainer")]
    assert commands
    for command in commands:
        app.parse_args(command[2:], exit_on_error=False, print_error=False)
