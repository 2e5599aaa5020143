"""Distributions of a model's inputs and answers: alike on what they were made from, and far on what is not like it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from libs.features.assembly import FEATURES
from libs.features.frames import requests_from_training
from libs.models.distributions import PREDICTION, Distributions
from libs.models.package import Package
from libs.models.training import Fitted


@pytest.fixture(scope="module")
def package(fitted: Fitted) -> Package:
    return fitted.package


@pytest.fixture(scope="module")
def rows(training_path: Path) -> pl.DataFrame:
    return pl.read_parquet(training_path)


@pytest.fixture(scope="module")
def found(package: Package, rows: pl.DataFrame) -> Distributions:
    return Distributions.of(package, requests_from_training(rows))


def test_every_input_and_the_confidence_are_counted_whole(found: Distributions, rows: pl.DataFrame) -> None:
    assert set(found.counts) == {*FEATURES, PREDICTION}
    assert found.counts[PREDICTION].sum() == len(rows)
    assert len({int(found.counts[name].sum()) for name in FEATURES}) == 1
    for name, edges in found.edges.items():
        assert len(found.counts[name]) == len(edges) + 2
        assert (np.diff(edges) > 0).all()


def test_the_same_questions_have_not_shifted(found: Distributions, package: Package, rows: pl.DataFrame) -> None:
    shifts = found.shifts(found.count(package, requests_from_training(rows)))
    assert max(shifts.values()) == pytest.approx(0, abs=1e-12)


def test_what_has_moved_comes_first(found: Distributions, package: Package, rows: pl.DataFrame) -> None:
    requests = requests_from_training(rows)
    heights = replace(requests, values={**requests.values, "height_cm": requests.values["height_cm"] + 40})
    shifts = found.shifts(found.count(package, heights))
    assert next(iter(shifts)) == "height_cm"
    assert shifts["height_cm"] > 0.25
    assert list(shifts.values()) == sorted(shifts.values(), reverse=True)


def test_what_is_not_known_has_a_bin_of_its_own(found: Distributions, package: Package, rows: pl.DataFrame) -> None:
    requests = requests_from_training(rows)
    unknown = replace(requests, values={**requests.values, "height_cm": np.full(len(rows), np.nan)})
    counts = found.count(package, unknown)["height_cm"]
    assert counts[-1] == counts.sum() > 0


def test_they_are_kept_beside_a_package(found: Distributions, tmp_path: Path) -> None:
    assert Distributions.load(tmp_path) is None
    found.save(tmp_path)
    loaded = Distributions.load(tmp_path)
    assert loaded is not None
    for name in found.edges:
        assert np.array_equal(loaded.edges[name], found.edges[name])
        assert np.array_equal(loaded.counts[name], found.counts[name])
