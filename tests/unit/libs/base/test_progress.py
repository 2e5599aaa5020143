"""How far a long step is: plain lines in a log, a bar in a terminal."""

from unittest.mock import Mock

from rich.console import Console

from libs.base.progress import Bars, Lines, progress_on


def test_a_log_has_a_line_every_ten_seconds_with_pace_and_time_left() -> None:
    told: list[str] = []
    clock = Mock(return_value=0.0)
    with Lines(told.append, clock).step("refresh features", 1_000) as advance:
        for second in (4, 9, 12, 15, 24):
            clock.return_value = float(second)
            advance(100)
    assert told == [
        "refresh features: 300 of 1,000 rows, 25 rows/s, 28 s left",
        "refresh features: 500 of 1,000 rows, 21 rows/s, 24 s left",
    ]


def test_a_step_that_is_over_soon_says_nothing_in_a_log() -> None:
    told: list[str] = []
    with Lines(told.append).step("train", 10) as advance:
        advance(10)
    assert told == []


def test_a_terminal_has_a_bar_with_rows_a_second() -> None:
    console = Console(force_terminal=True, width=100, record=True)
    with Bars(console).step("preprocess: gather", 1_000) as advance:
        advance(500)
    shown = console.export_text()
    assert "preprocess: gather" in shown and "rows/s" in shown and "50%" in shown


def test_who_watches_gets_bars_and_a_log_gets_lines() -> None:
    assert isinstance(progress_on(Console(force_terminal=True)), Bars)
    assert isinstance(progress_on(Console(force_terminal=False)), Lines)
