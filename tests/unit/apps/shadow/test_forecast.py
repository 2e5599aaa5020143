"""Forecasts: what they say of the hours still needed is what comes, when all goes on as it is."""

import math

import numpy as np
import polars as pl
import pytest

from apps.shadow.confidence import track_mean, track_share
from apps.shadow.forecast import hours_for_mean, hours_for_share, in_words
from apps.shadow.streams import Stream

LOOKS = np.arange(1.0, 5_000)


def stream(values: "np.typing.ArrayLike") -> Stream:
    """Ten customers an hour, one value each."""
    found = np.asarray(values, dtype=np.float64)
    return Stream.of(found, pl.Series(np.arange(len(found))), np.arange(len(found)) / 10)


def test_a_mean_is_told_when_it_was_forecast() -> None:
    track = track_mean(stream(np.random.default_rng(0).normal(0.1, 1, 50_000)), LOOKS, 0.0125)
    told = int(np.argmax(track.lower > 0))
    early = told // 2
    assert early + hours_for_mean(track.at(early), 0.0, 0.0125) == pytest.approx(LOOKS[told], rel=0.5)


def test_a_share_is_told_when_it_was_forecast() -> None:
    track = track_share(stream(np.arange(50_000) % 300 == 299), LOOKS, 0.0125, 0.01)
    told = int(np.argmax(track.upper <= 0.01))
    early = told // 2
    assert LOOKS[early] + hours_for_share(track.at(early), 0.01, 0.0125) == pytest.approx(LOOKS[told], rel=0.25)


def test_what_lies_on_the_margin_is_never_told() -> None:
    track = track_share(stream(np.arange(5_000) % 100 == 99), LOOKS[:400], 0.0125, 0.01)
    assert hours_for_share(track.at(399), 0.01, 0.0125) == math.inf


def test_without_new_customers_there_is_nothing_to_wait_for() -> None:
    gone = Stream.of(np.random.default_rng(0).normal(0, 1, 200), pl.Series(np.arange(200)), np.full(200, -np.inf))
    assert hours_for_mean(track_mean(gone, LOOKS[:1], 0.0125).at(0), 0.1, 0.0125) == math.inf


def test_it_is_said_in_words() -> None:
    assert in_words(29.2, 100, 168) == "about 30 h more"
    assert in_words(29.2, 20, 168) == in_words(math.inf, 20, 168) == "will not be settled within 168 h"
