"""Memory and file descriptors of what answers, over twenty minutes at half capacity."""

import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import psutil
import pytest
from scipy.stats import theilslopes

from tests.chaos.conftest import DEPLOYMENTS, Live
from tests.chaos.flood import Flood, flooded

# Another length for whoever only looks whether it runs.
_SECONDS = float(os.environ.get("SOAK_S", "1200"))
_WARM_S = _SECONDS / 4
_EVERY_S = 5.0
_FULL, _REST_S = 128, 0.5
_MIB = 2**20


@pytest.mark.timeout(_SECONDS + 200, func_only=True)
@pytest.mark.row(
    "soak",
    "20 minutes at half capacity",
    "memory and file descriptors flat: what a slope surely is adds up to no more than 1 MiB, 1 descriptor",
)
def test_what_answers_grows_neither_in_memory_nor_in_descriptors(live: Live, figure: Callable[[str], None]) -> None:
    with flooded(Flood(replace(live.plan, seconds=15.0), _FULL, 0.0)) as full:
        pass
    connections = max(1, int(full.answered_per_s / 2 * _REST_S))
    processes = [psutil.Process(pid) for name in DEPLOYMENTS for pid in live.pids(name)]
    seen: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
    begin = time.monotonic()
    with flooded(Flood(replace(live.plan, seconds=_SECONDS), connections, _REST_S)) as found:
        while (now := time.monotonic() - begin) < _SECONDS - _EVERY_S:
            for process in processes:
                name = process.name().removeprefix("ray::ServeReplica:fitwave-test:")
                seen[name, process.pid].append((now, process.memory_info().rss / _MIB, process.num_fds()))
            time.sleep(_EVERY_S)
    grown = {key: _growth(np.array([row for row in rows if row[0] > _WARM_S])) for key, rows in seen.items()}
    (most, memory), (_, descriptors) = (
        max(((name, growth[column]) for (name, _), growth in grown.items()), key=lambda one: one[1][1])
        for column in (0, 1)
    )
    figure(
        f"{found.statuses.total():,} questions at {found.offered_per_s:,.0f}/s, {dict(found.statuses)}; of "
        f"{len(processes)} processes {most} grows most: {memory[0]:+.1f} MiB ({memory[1]:+.1f} to {memory[2]:+.1f}) "
        f"and {descriptors[0]:+.1f} descriptors, over {_SECONDS / 60:.0f} minutes"
    )
    assert set(found.statuses) == {200}
    assert memory[1] <= 1.0
    assert descriptors[1] <= 1.0


def _growth(rows: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[tuple[float, float, float]]:
    """By memory and descriptors: what the Theil-Sen slope adds up to over the run, and its 95 % interval."""
    slopes = [theilslopes(rows[:, column], rows[:, 0]) for column in (1, 2)]
    return [tuple(float(value * _SECONDS) for value in (one[0], one[2], one[3])) for one in slopes]  # type: ignore[misc]
