"""Second verdicts on windows of known truth: what is worse is demoted, what only looks so is not."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from apps.shadow.second_verdict import ALL, SAME_SIZE, Purchases, SecondVerdict, decide, differences
from libs.base.market import SecondVerdictPolicy, ShadowWindow
from tests.unit.apps.shadow.promotions import BEGIN, Customers, window

WINDOW = ShadowWindow()
SEEDS = 40
# Log losses that differ by a tenth, and more.
EQUAL, WORSE = (0.5, 0.5), (0.4, 0.6)
COMPLETE_AT = BEGIN + timedelta(days=35)


def second_verdict(lines: pl.DataFrame, complete: bool = True, settings: ShadowWindow = WINDOW) -> SecondVerdict:
    found = Purchases(len(lines) + 10, len(lines) + 5, len(lines), COMPLETE_AT, complete)
    return decide(found, differences(lines, settings.alpha), settings)


def reviewed_twice(seed: int, models: tuple[float, float], customers: Customers) -> list[SecondVerdict]:
    """Two looks at one window: at half of its lines, and at all of them."""
    lines = window(np.random.default_rng(seed), *models, customers)
    return [second_verdict(lines.head(len(lines) // 2), complete=False), second_verdict(lines)]


def demoted(models: tuple[float, float], customers: Customers) -> int:
    """Of how many windows a version is demoted at any look."""
    found = (reviewed_twice(seed, models, customers) for seed in range(SEEDS))
    return sum("demote" in [one.decision for one in looks] for looks in found)


@pytest.mark.parametrize("knowing", [False, True])
def test_a_version_that_is_worse_is_demoted(knowing: bool) -> None:
    assert demoted(WORSE, Customers(knowing=knowing)) >= 0.9 * SEEDS


@pytest.mark.parametrize("following", [0.7, 1.0])
def test_one_that_is_equal_is_not(following: float) -> None:
    assert demoted(EQUAL, Customers(following=following)) <= 0.05 * SEEDS


def test_one_that_is_better_is_confirmed() -> None:
    looks = [reviewed_twice(seed, (0.7, 0.4), Customers())[-1] for seed in range(10)]
    assert {one.decision for one in looks} == {"confirm"}


def test_one_that_is_equal_looks_worse_to_who_saw_the_other_s_size_and_is_not_demoted_for_it() -> None:
    looks = [reviewed_twice(seed, EQUAL, Customers(knowing=True))[-1] for seed in range(SEEDS)]
    assert all(one.differences[ALL].loss.lower > 0 for one in looks)
    assert sum(one.decision == "demote" for one in looks) <= 0.05 * SEEDS
    assert "decide by hand" in looks[0].reason


def test_while_returns_are_under_way_what_is_open_waits() -> None:
    lines = window(np.random.default_rng(0), *EQUAL, Customers())
    assert second_verdict(lines, complete=False).decision == "wait"
    told = second_verdict(lines)
    assert told.decision == "untold"
    assert told.reason.startswith("all returns of the window are known; log loss ")


def test_few_lines_tell_nothing() -> None:
    lines = window(np.random.default_rng(0), *WORSE, Customers()).head(199)
    waits = second_verdict(lines, complete=False)
    assert waits.reason == "204 of 209 lines are mature, all on 2026-02-05; 199 of the 200 lines that are needed"
    assert second_verdict(lines).decision == "untold"


def test_nothing_bought_tells_nothing() -> None:
    none = window(np.random.default_rng(0), *WORSE, Customers()).clear()
    assert second_verdict(none).decision == "untold"
    assert second_verdict(none).differences == {}


def test_a_margin_lets_a_version_be_a_little_worse() -> None:
    lines = window(np.random.default_rng(0), *WORSE, Customers())
    found = second_verdict(lines).differences[ALL].loss
    lenient = ShadowWindow(second_verdict=SecondVerdictPolicy(demotion_margin=found.mean))
    assert second_verdict(lines, settings=lenient).decision == "untold"
    assert second_verdict(lines, complete=False, settings=lenient).decision == "wait"


def test_where_the_models_never_name_the_same_size_nobody_is_demoted() -> None:
    apart = window(np.random.default_rng(0), 0.2, 0.9, Customers(number=3000)).filter(~pl.col(SAME_SIZE))
    found = second_verdict(apart)
    assert found.decision == "untold"
    assert "no lines where both named the same size" in found.reason


def test_lines_of_one_customer_are_no_more_than_one() -> None:
    lines = window(np.random.default_rng(0), *WORSE, Customers()).with_columns(customer=pl.lit(0))
    assert second_verdict(lines).decision == "untold"


def test_evidence_is_plain_and_says_all() -> None:
    evidence = second_verdict(window(np.random.default_rng(0), *WORSE, Customers())).evidence()
    again = json.loads(json.dumps(evidence, allow_nan=False))
    assert again == evidence
    assert set(again["differences"]) == {"all", "same_size", "not_followed", "led"}
    assert datetime.fromisoformat(again["purchases"]["complete_at"]) == COMPLETE_AT
