"""What routers count of live answers is read back whole, by version, from a time on, until it is removed."""

from datetime import UTC, datetime
from pathlib import Path

from libs.features.lake import Lake
from libs.models.live_counts import LiveCounts, read_live, remove_before


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_counts_of_routers_are_kept_apart_by_span_and_version(tmp_path: Path) -> None:
    now, lake = 7_200.0, Lake.open(str(tmp_path))
    routers = [LiveCounts(str(tmp_path), lambda: now) for _ in range(2)]
    for router in routers:
        router.add("de", "2", 3, failed=False, seconds=0.5)
        router.add("de", "2", 1, failed=True, seconds=0.5)
        router.add("de", "1", 1, failed=False, seconds=0.1)
        router.flush()
    now = 11_000.0  # the next hour but one: another file, and what was written stays
    for router in routers:
        router.add("de", "2", 5, failed=False, seconds=0.2)
        router.close()
    found = read_live(lake, "de", "2", moment(0))
    told = [(7_200, 4, 1, 2.0)] * 2 + [(11_000, 5, 0, 1.0)] * 2
    assert found.select("at", "requests", "failed", "seconds").rows() == told
    assert found["router"].n_unique() == 2
    assert read_live(lake, "de", "2", moment(7_201))["at"].to_list() == [11_000, 11_000]
    assert read_live(lake, "us", "2", moment(0)).is_empty()
    remove_before(lake, "de", moment(10_900))
    assert read_live(lake, "de", "2", moment(0))["at"].to_list() == [11_000, 11_000]
    assert read_live(lake, "de", "1", moment(0)).is_empty()
