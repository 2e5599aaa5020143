"""Second verdicts on windows of known truth: what is worse is demoted, what only looks so is not."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from apps.shadow.second_verdict import ALL, SAME_SIZE
from benchmarks.second_verdict import BEGIN, World, purchases, reviews, told
from libs.base.market import SecondVerdictPolicy, ShadowWindow

SEEDS = 25
EQUAL, WORSE = World(), World(previous=0.4, promoted=0.6)


def demoted(world: World) -> int:
    """In how many windows the promoted version is demoted at any of four reviews."""
    windows = (reviews(np.random.default_rng(seed), world) for seed in range(SEEDS))
    return sum("demote" in [one.decision for one in looks] for looks in windows)


def lines_of(world: World) -> pl.DataFrame:
    return purchases(np.random.default_rng(0), world)


def test_a_version_that_is_worse_is_demoted() -> None:
    assert demoted(WORSE) >= 0.9 * SEEDS


@pytest.mark.parametrize("following", [0.7, 1.0])
def test_one_that_is_equal_is_not(following: float) -> None:
    assert demoted(World(following=following)) <= 0.05 * SEEDS


def test_one_that_is_better_is_confirmed() -> None:
    windows = (told(purchases(np.random.default_rng(seed), World(promoted=0.3))) for seed in range(5))
    assert {one.decision for one in windows} == {"confirm"}


def test_one_that_is_equal_looks_worse_to_who_saw_the_other_s_size_and_is_not_demoted_for_it() -> None:
    windows = [told(purchases(np.random.default_rng(seed), World(knowing=True))) for seed in range(SEEDS)]
    assert all(one.differences[ALL].loss.lower > 0 for one in windows)
    assert sum(one.decision == "demote" for one in windows) <= 0.05 * SEEDS
    assert "decide by hand" in windows[0].reason


def test_while_returns_are_under_way_what_is_open_waits() -> None:
    lines = lines_of(EQUAL)
    assert told(lines, complete=False).decision == "wait"
    end = told(lines)
    assert end.decision == "untold"
    assert end.reason.startswith("all returns of the window are known; log loss ")


def test_few_lines_tell_nothing() -> None:
    lines = lines_of(WORSE).head(199)
    waits = told(lines, complete=False)
    assert waits.reason == "199 of 199 lines are mature, all on 2026-02-05; 199 of the 200 lines that are needed"
    assert told(lines).decision == "untold"


def test_nothing_bought_tells_nothing() -> None:
    none = lines_of(WORSE).clear()
    assert told(none).decision == "untold"
    assert told(none).differences == {}


def test_a_margin_lets_a_version_be_a_little_worse() -> None:
    lines = lines_of(WORSE)
    found = told(lines).differences[ALL].loss
    lenient = ShadowWindow(second_verdict=SecondVerdictPolicy(demotion_margin=found.mean))
    assert told(lines, settings=lenient).decision == "untold"
    assert told(lines, complete=False, settings=lenient).decision == "wait"


def test_where_the_models_never_name_the_same_size_nobody_is_demoted() -> None:
    apart = lines_of(World(0.2, 0.9)).filter(~pl.col(SAME_SIZE))
    found = told(apart)
    assert found.decision == "untold"
    assert "no lines where both named the same size" in found.reason


def test_lines_of_one_customer_are_no_more_than_one() -> None:
    lines = lines_of(WORSE).with_columns(customer=pl.lit(0))
    assert told(lines).decision == "untold"


def test_evidence_is_plain_and_says_all() -> None:
    evidence = told(lines_of(WORSE)).evidence()
    again = json.loads(json.dumps(evidence, allow_nan=False))
    assert again == evidence
    assert set(again["differences"]) == {"all", "same_size", "not_followed", "led"}
    assert datetime.fromisoformat(again["purchases"]["complete_at"]) == BEGIN + timedelta(days=35)
