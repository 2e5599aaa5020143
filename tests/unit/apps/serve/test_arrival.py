"""What is left of a request's deadline when HAProxy asks once more."""

import time

import pytest

from apps.serve.arrival import waited_s


def ago(seconds: float) -> str:
    return str(round(1_000 * (time.time() - seconds)))


def test_the_time_since_a_request_came_is_gone() -> None:
    assert waited_s(ago(2.5), 5.0) == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("arrived", [None, "", "soon", "-1790000000000", "1", "9" * 40, "\u0661" * 13])
def test_what_is_no_time_takes_nothing(arrived: str | None) -> None:
    assert waited_s(arrived, 5.0) == 0.0


@pytest.mark.parametrize(("seconds", "gone"), [(-3_600.0, 0.0), (3_600.0, 5.0)])
def test_a_clock_that_differs_takes_nothing_or_all_of_it(seconds: float, gone: float) -> None:
    assert waited_s(ago(seconds), 5.0) == gone
