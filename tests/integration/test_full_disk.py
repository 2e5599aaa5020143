"""A full disk: what was there stands, whoever writes says so, and goes on once there is room."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.base.errors import TransientError
from libs.features.lake import Lake
from libs.models.ledger import Entry, Ledger
from libs.models.pair_log import read_window
from libs.models.pair_writer import PairLog
from tests.killed_writers import Deliveries
from tests.pairs import add, pair
from tests.redis_servers import wait_until
from tests.small_disk import full, small_disk

FLUSH_S = 0.1
row = pytest.mark.row("disk full", "a disk of 1 MB that is full", "what was there stands; it is said; it goes on after")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 1_000) as found:
        yield found


@row
@pytest.mark.parametrize("prefix", ["", "delta+", "iceberg+"])
def test_a_delivery(figure: Callable[[str], None], disk: Path, prefix: str) -> None:
    deliveries = Deliveries(f"{prefix}{disk}/lake")
    deliveries.write(1)
    before = deliveries.lake.version("de")
    with full(disk), pytest.raises(TransientError, match=r"was not written: .*No space left on device"):
        deliveries.write(2)
    assert deliveries.lake.version("de") == before
    assert deliveries.whole(1) == 1
    deliveries.write(2)
    assert deliveries.whole(2) == 2
    figure(f"a delivery to {deliveries.lake.tables.name} was refused with the reason, and done when there was room")


@row
@pytest.mark.parametrize("prefix", ["", "delta+", "iceberg+"])
def test_a_first_delivery(disk: Path, prefix: str, figure: Callable[[str], None]) -> None:
    deliveries = Deliveries(f"{prefix}{disk}/lake")
    with full(disk), pytest.raises(TransientError, match=r"was not written|catalog does not answer"):
        deliveries.write(1)
    assert deliveries.whole(0) == 0
    deliveries.write(1)
    assert deliveries.whole(1) == 1
    figure(f"the first delivery to {deliveries.lake.tables.name}, too")


@row
def test_the_pair_log(figure: Callable[[str], None], disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    log, lake = PairLog(str(disk), FLUSH_S), Lake.open(str(disk))
    begun = 0

    def begin(pairs: int) -> None:
        nonlocal begun
        for number in range(begun, begun + pairs):
            log.count_request("de", "w", f"c{number}", sampled=True)
            add(log, "w", pair(number))
        begun += pairs

    def logged() -> int:
        return len(read_window(lake, "de", "w")[0])

    begin(100)
    wait_until(lambda: logged() == 100)
    with full(disk):
        begin(100)
        wait_until(lambda: "the pair log could not be written; its rows are kept and tried again" in caplog.text)
        assert logged() == 100
        begin(100)
    wait_until(lambda: logged() == 300)
    log.close()
    rows, counts = read_window(lake, "de", "w")
    assert (len(set(rows["request_id"])), counts.expected, counts.dropped) == (300, 300, 0)
    figure("the pair log took 200 pairs meanwhile, said so in its log, and wrote each once when there was room")


@row
def test_what_a_pair_log_cannot_hold_until_there_is_room_is_counted(
    figure: Callable[[str], None], disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.models.pair_writer._MAX_BUFFERED", 150)
    log, lake = PairLog(str(disk), FLUSH_S), Lake.open(str(disk))
    with full(disk):
        for number in range(200):
            log.count_request("de", "w", f"c{number}", sampled=True)
            add(log, "w", pair(number))
    log.close()
    rows, counts = read_window(lake, "de", "w")
    assert len(rows) == counts.expected - counts.dropped == 150
    figure("of 200 pairs for which there was memory for 150, 50 were counted as dropped")


@row
def test_the_ledger(figure: Callable[[str], None], disk: Path) -> None:
    ledger, first = Ledger(disk), Entry("de", "first", "1", None, "the first")
    assert ledger.append(first, after=0)
    promoted = Entry("de", "promote", "2", "1", "better" * 2_000)
    with full(disk), pytest.raises(TransientError, match=r"takes no entry: .*No space left on device"):
        ledger.append(promoted, after=1)
    assert ledger.entries("de") == [first]
    assert ledger.append(promoted, after=1)
    assert ledger.entries("de") == [first, promoted]
    assert not [path for path in (disk / "ledger" / "de").iterdir() if path.name.startswith(".")]
    figure("the ledger refused an entry, whole, and took it when there was room")
