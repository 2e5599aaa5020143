"""A replica's memory, against what it may take."""

import pytest

from libs.base.errors import InvariantError
from libs.base.telemetry import Telemetry
from libs.calls.memory import require_memory_below
from libs.calls.served import Served


def test_a_process_within_its_limit_is_well() -> None:
    require_memory_below(1_000_000)


def test_a_process_above_its_limit_is_told_what_it_takes_and_which_setting_says_so() -> None:
    with pytest.raises(InvariantError, match=r"takes \d+ MiB of memory, and serving.memory_limit_mib is 1:"):
        require_memory_below(1)


@pytest.mark.parametrize(("limit_mib", "well"), [(None, True), (1_000_000, True), (1, False)])
def test_serve_finds_a_replica_sick_that_takes_more_than_it_may(limit_mib: int | None, well: bool) -> None:
    replica = Served("SizeModel", Telemetry("test", "redis://127.0.0.1:1", memory_limit_mib=limit_mib))
    if well:
        replica.check_health()
    else:
        with pytest.raises(InvariantError):
            replica.check_health()
