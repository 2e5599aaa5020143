"""Ratios are taken within a round, and what is said of them is their median."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.serving.figures import (
    ARMS,
    BARS,
    CONNECTIONS,
    FITWAVE,
    MIRRORED,
    MONOLITH,
    Alone,
    document,
    medians,
    ratios,
)
from benchmarks.serving.load import Seen
from benchmarks.serving.page import write_page


def seen(per_s: float, p50_ms: float = 10.0, p99_ms: float = 20.0, errors: int = 0) -> Seen:
    return Seen(requests=int(per_s * 10), seconds=10.0, p50_ms=p50_ms, p99_ms=p99_ms, errors=errors)


def measured(**rounds: list[Seen]) -> Mapping[str, Mapping[int, list[Seen]]]:
    """Every arm the same at all connections, but for those given."""
    return {arm: dict.fromkeys(CONNECTIONS, rounds.get(arm, [seen(100)] * 3)) for arm in ARMS}


ALONE = Alone(
    many=[seen(50, p50_ms=15.0)] * 3,
    mirrored=[seen(100, p50_ms=10.2), seen(50, p50_ms=20.4), seen(100, p50_ms=15.0)],
    unmirrored=[seen(100, p50_ms=10.0), seen(50, p50_ms=20.0), seen(100, p50_ms=10.0)],
)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    """The machine got slower from round to round, for both alike but once."""
    arms = measured(**{FITWAVE: [seen(300), seen(150), seen(80)], MONOLITH: [seen(100), seen(50), seen(40)]})
    assert ratios(arms, ALONE)["throughput_vs_monolith"] == 3.0


def test_costs_are_what_is_lost() -> None:
    arms = measured(**{FITWAVE: [seen(100, p50_ms=10.0)] * 3, MIRRORED: [seen(90)] * 3})
    found = ratios(arms, ALONE)
    assert found["shadow_throughput_cost"] == pytest.approx(0.1)
    assert found["shadow_p50_cost"] == pytest.approx(0.02)
    assert found["articles24_vs_1_latency"] == 1.5


def test_errors_of_fitwave_are_added_up_and_those_of_peers_are_not() -> None:
    arms = measured(**{FITWAVE: [seen(100, errors=1)] * 3, MONOLITH: [seen(100, errors=5)] * 3})
    assert ratios(arms, ALONE)["errors"] == 3 * len(CONNECTIONS)
    assert medians(arms)[MONOLITH]["1"]["errors"] == 15


def test_there_is_a_figure_for_every_bar() -> None:
    found = ratios(measured(), ALONE)
    assert {bar.ratio for bar in BARS} <= found.keys()


@pytest.mark.parametrize(("value", "reached"), [(1.99, False), (2.0, True), (2.01, True)])
def test_a_bar_is_reached_from_its_bound_on(value: float, reached: bool) -> None:
    [bar] = [bar for bar in BARS if bar.ratio == "throughput_vs_monolith"]
    assert bar.reached(value) == reached


def test_a_page_is_made_anew_between_its_marks_only(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    marks = [f"<!-- made by benchmarks.serving: {end} -->" for end in ("begin", "end")]
    page.write_text(f"before\n{marks[0]}\nold\n{marks[1]}\nafter\n")
    found = document(measured(**{MONOLITH: [seen(60, p50_ms=4.0)] * 3}), ALONE, {"cores": 2})
    for _ in range(2):
        write_page(found, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("| Fitwave | 100 (10.0 / 20.0) |") == 1
    assert "| requests/s at 128 connections, of the monolith's | 1.67 | at least 2 | **missed** |" in text
    assert "| p50 at 1 connection, of the monolith's | 2.5 | at most 2.5 | reached |" in text
    assert (tmp_path / "performance.svg").stat().st_size > 1000
