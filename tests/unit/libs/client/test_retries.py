"""How long is waited: at random, doubling, bounded, and never less than the server asks for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.client.retries import Retries


@given(failed=st.integers(1, 50), asked=st.one_of(st.none(), st.floats(0, 100)))
def test_a_wait_is_what_the_server_asks_for_and_a_bounded_random_part(failed: int, asked: float | None) -> None:
    wait = Retries(first_wait_s=0.1, longest_wait_s=2.0).wait_s(failed, asked)
    least = asked or 0.0
    assert least <= wait <= least + min(2.0, 0.1 * 2 ** (failed - 1))


def test_two_callers_do_not_come_back_together() -> None:
    assert len({Retries().wait_s(1, None) for _ in range(20)}) == 20


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait_s": -1.0}, {"longest_wait_s": -1.0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        Retries(**wrong)
