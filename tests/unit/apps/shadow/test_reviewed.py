"""What a review prints: how the differences lie by what customers were shown, the decision, and what followed."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pytest
from rich.console import Console

from apps.shadow.cli import print_reviewed
from apps.shadow.demotion import Reviewed
from benchmarks.second_verdict import World, purchases, told
from libs.models.history import Promotion

PROMOTION = Promotion("7", "6", "v7-day 1", datetime(2026, 1, 8, tzinfo=UTC))
FOUND = told(purchases(np.random.default_rng(0), World(previous=0.4, promoted=0.6)))


def printed(action: Literal["demoted", "noted"], why: str = "") -> str:
    console = Console(width=400, record=True, quiet=False)
    print_reviewed(console, "de", Reviewed(PROMOTION, FOUND, action, why))
    return console.export_text()


def test_it_shows_each_kind_of_lines_and_what_followed() -> None:
    text = printed("demoted")
    assert "de: v7 and v6 on what was bought in v7-day 1" in text
    for name, one in FOUND.differences.items():
        [row] = [line for line in text.splitlines() if line.startswith(f"│ {name.replace('_', ' ')} ")]
        assert f" {one.lines} " in row
        assert f"{one.loss.lower:+.4f} and {one.loss.upper:+.4f}" in row
    assert "de v7: demote: log loss +0." in text
    assert text.rstrip().endswith("de: v7 -> v6")


@pytest.mark.parametrize("why", ["v8 is champion by now", "the policy is to report"])
def test_it_says_why_a_version_that_is_worse_stays(why: str) -> None:
    text = printed("noted", why)
    assert f"; not demoted: {why}" in text
    assert "v7 -> v6" not in text
