"""The garbage collector of a replica."""

import gc
from collections.abc import Iterator

import pytest

from libs.calls.heap import freeze_heap


@pytest.fixture
def restored() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("restored")
def test_what_lives_now_is_set_aside_and_what_comes_later_is_still_collected() -> None:
    freeze_heap()
    assert gc.get_freeze_count() > 10_000
    loop: list[object] = []
    loop.append(loop)
    del loop
    assert gc.collect() >= 1
