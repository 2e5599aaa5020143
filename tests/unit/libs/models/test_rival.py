"""The champion is compared only on lines that it has not seen either."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from libs.base.errors import DataError
from libs.models.evaluation import evaluate
from libs.models.package import Package
from libs.models.rival import evaluate_champion, knows_until
from libs.models.training import Fitted, fit_market
from tests.unit.libs.models.conftest import MARKET


def trained_until(package: Package, time: datetime) -> Package:
    """The same model, as if its calibration window had ended then."""
    windows: dict[str, Any] = package.card.training["windows"]
    moved = windows | {"calibration": windows["calibration"] | {"until": str(time)}}
    card = package.card.model_copy(update={"training": package.card.training | {"windows": moved}})
    return Package(card, package.booster)


def middle(holdout: pl.DataFrame) -> datetime:
    time = holdout["ordered_at"].sort()[len(holdout) // 2]
    assert isinstance(time, datetime)
    return time


def test_a_champion_has_seen_what_it_was_trained_and_calibrated_on_and_not_its_holdout(fitted: Fitted) -> None:
    windows = fitted.package.card.training["windows"]
    known = knows_until(fitted.package.card)
    assert str(known) == windows["calibration"]["until"]
    assert known < datetime.fromisoformat(windows["holdout"]["from"])


def test_a_champion_of_the_same_windows_is_compared_on_every_line(fitted: Fitted) -> None:
    rival = evaluate_champion(fitted.package, fitted.holdout)
    assert rival.unseen.all()
    assert np.array_equal(rival.lines.losses, fitted.evaluation.losses)


def test_a_champion_whose_data_reach_into_the_holdout_is_compared_on_the_later_lines_only(fitted: Fitted) -> None:
    until = middle(fitted.holdout)
    rival = evaluate_champion(trained_until(fitted.package, until), fitted.holdout)
    later = fitted.holdout.filter(pl.col("ordered_at") > until)
    assert rival.unseen.sum() == len(later) == len(rival.lines) < len(fitted.holdout)
    assert rival.metrics == evaluate(fitted.package, later).overall
    assert np.array_equal(rival.lines.losses, fitted.evaluation.losses[rival.unseen])


def test_beside_some_lines_of_the_holdout_it_is_compared_on_those_of_them_that_it_has_not_seen(fitted: Fitted) -> None:
    rival = evaluate_champion(trained_until(fitted.package, middle(fitted.holdout)), fitted.holdout)
    some = np.arange(0, len(fitted.holdout), 3)
    part = rival.of(some)
    assert np.array_equal(part.unseen, rival.unseen[some])
    assert np.array_equal(part.lines.losses, fitted.evaluation.losses[some[part.unseen]])


def test_a_line_of_the_very_moment_that_the_champions_data_end_counts_as_seen(fitted: Fitted) -> None:
    last = fitted.holdout["ordered_at"].max()
    assert isinstance(last, datetime)
    rival = evaluate_champion(trained_until(fitted.package, last), fitted.holdout)
    assert not rival.unseen.any()
    assert rival.metrics is None
    earlier = evaluate_champion(trained_until(fitted.package, last - timedelta(microseconds=1)), fitted.holdout)
    assert earlier.unseen.sum() >= 1


def test_a_champion_that_does_not_say_what_it_was_trained_on_is_refused(fitted: Fitted) -> None:
    card = fitted.package.card.model_copy(update={"training": {}})
    with pytest.raises(DataError, match="does not say which orders it was trained on"):
        knows_until(card)


def test_training_compares_on_unseen_lines(fitted: Fitted, training_path: Path) -> None:
    again = fit_market(MARKET, str(training_path), trained_until(fitted.package, middle(fitted.holdout)))
    assert again.champion is not None
    assert 0 < len(again.champion.lines) < len(again.evaluation.lines)
