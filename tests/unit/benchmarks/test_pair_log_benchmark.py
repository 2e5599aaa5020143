"""The pair log's figures: what is more within a round, and what differs between rounds anyway."""

import pytest

from benchmarks.pair_log import figures


def a_round(loop_us: float, p99: float, more_us: float, more_p99: float) -> dict[str, dict[str, float]]:
    return {
        "without": {"loop_us": loop_us, "loop_delay_p99_ms": p99},
        "with": {"loop_us": loop_us + more_us, "loop_delay_p99_ms": p99 + more_p99},
    }


def test_a_busy_round_shifts_both_arms_and_counts_as_noise_and_not_as_cost() -> None:
    found = figures([a_round(10, 1, 2, 0.1), a_round(30, 9, 2, 0.1), a_round(11, 2, 2, 0.1)])
    assert found["loop_us_more"] == pytest.approx(2)
    # Two microseconds, two thousand times a second.
    assert found["caller_share_of_core"] == pytest.approx(0.004)
    assert found["loop_delay_p99_ms_more"] == pytest.approx(0.1)
    assert 7 < found["loop_delay_p99_ms_noise"] <= 8
