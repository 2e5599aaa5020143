"""Writers that are killed at random moments, each in a process forked for it, and what a reader must find afterwards.

`python -m tests.killed_writers NAME` imports once what the writer wants, then forks one for every line that it is sent.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn, Protocol

import pyarrow as pa

from libs.base.environment import REPOSITORY
from libs.features.lake import Lake
from libs.features.schema import ORDERS
from libs.models.ledger import Entry, Ledger
from libs.models.pair_compaction import compact
from libs.models.pair_log import files, read_window, window_folder
from libs.models.pair_writer import PairLog
from tests.pairs import add, pair

# With the tables and folders made anew each time, what makes them is killed, too.
_KILLS_OF_A_FOLDER = 5
_ROWS, _PAIRS, _PARTS = 300, 10, 3
_COMPACTED_EVERY = 4


class Writer(Protocol):
    """Writes number after number; `whole` is the last of them that a reader finds, having seen that all is whole."""

    def write(self, number: int) -> None: ...

    def whole(self, acknowledged: int) -> int: ...


@dataclass
class Deliveries:
    """Parts of orders, each replaced by every third number."""

    uri: str
    lake: Lake = field(init=False)

    def __post_init__(self) -> None:
        self.lake = Lake.open(self.uri)

    def write(self, number: int) -> None:
        at = datetime(2026, 3, 2, tzinfo=UTC)
        row = {"article_id": "a", "size": "36", "ordered_at": at, "quantity": 1, "channel": "web"}
        rows = [
            row | {"order_id": f"o{number}", "line_id": f"{number}-{one}", "customer_id": f"c{one}"}
            for one in range(_ROWS)
        ]
        self.lake.write(ORDERS, "de", f"part-{number % _PARTS}", pa.Table.from_pylist(rows, schema=ORDERS.schema))

    def whole(self, acknowledged: int) -> int:
        parts = self.lake.parts(ORDERS, "de")
        rows = self.lake.read(ORDERS, "de") if parts else ORDERS.schema.empty_table()
        found = Counter(line.partition("-")[0] for line in rows["line_id"].to_pylist())
        last = max(map(int, found), default=0)
        assert found == {str(one): _ROWS for one in range(max(1, last - _PARTS + 1), last + 1)}, (acknowledged, found)
        assert parts == sorted({f"part-{int(one) % _PARTS}" for one in found})
        assert self.lake.count(ORDERS, "de") == len(rows)
        return last


@dataclass
class Entries:
    """Entries of a ledger, each settled."""

    home: Path

    def write(self, number: int) -> None:
        ledger = Ledger(self.home)
        if not ledger.is_settled("de", number - 1):
            ledger.settle("de", number - 1)  # what a killed one has left to do
        assert ledger.append(Entry("de", "promote", str(number), str(number - 1), "x" * 2_000), after=number - 1)
        assert not ledger.append(Entry("de", "promote", "late", None, "late"), after=number - 1)
        ledger.settle("de", number)

    def whole(self, acknowledged: int) -> int:
        ledger = Ledger(self.home)
        found = ledger.entries("de")
        assert [one.version for one in found] == [str(one) for one in range(1, len(found) + 1)]
        assert all(len(one.reason) == 2_000 for one in found)
        # The last one's writer may have been killed in between.
        assert [one for one in range(1, len(found)) if not ledger.is_settled("de", one)] == []
        return len(found)


@dataclass
class Pairs:
    """Parts of a pair log, compacted every now and then."""

    home: Path
    lake: Lake = field(init=False)
    log: PairLog | None = None

    def __post_init__(self) -> None:
        self.lake = Lake.open(str(self.home))

    def write(self, number: int) -> None:
        # A log has a thread, which only the process that writes is to have.
        self.log = self.log or PairLog(str(self.home), flush_s=3_600)
        for one in range(number * _PAIRS, (number + 1) * _PAIRS):
            self.log.count_request("de", "w", f"c{one}", sampled=True)
            add(self.log, "w", pair(one))
        self.log.flush()
        if number % _COMPACTED_EVERY == 0:
            compact(self.lake, "de", "w", lambda: None)

    def whole(self, acknowledged: int) -> int:
        rows, counts = read_window(self.lake, "de", "w")
        found = Counter(int(one.removeprefix("r")) for one in rows["request_id"])
        last = max(found, default=_PAIRS) // _PAIRS
        assert found == Counter(range(_PAIRS, (last + 1) * _PAIRS) if found else ()), (acknowledged, found)
        assert counts.requests == counts.expected >= len(rows)
        assert counts.dropped == 0
        return last if found else 0

    def compacted(self) -> int:
        """How many files there are once somebody has compacted them."""
        compact(self.lake, "de", "w", lambda: None)
        folder = window_folder(self.lake, "de", "w")
        assert [path for path in files(self.lake, folder, ".draft") if "/compacted-" in path] == []
        return len(files(self.lake, folder, ".parquet"))


def writer(name: str, folder: Path) -> Writer:
    """The writer of this name, on a folder of its own."""
    match name:
        case "ledger":
            return Entries(folder)
        case "pair log":
            return Pairs(folder)
        case "parquet":
            return Deliveries(str(folder))
    return Deliveries(f"{name}+{folder}")


@dataclass
class Killed:
    """What came of it: how many were killed, how many writes were done, and how often one that was not was there."""

    kills: int = 0
    acknowledged: int = 0
    unacknowledged_but_whole: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills amid {self.acknowledged:,} acknowledged writes: all of these there and whole, and of "
            f"those under way {self.unacknowledged_but_whole} whole and the others not at all"
        )


def kill(name: str, folder: Path, times: int, within_s: float) -> Killed:
    """Kill a writer so many times, each some moment within so many seconds, and look each time; the next one goes on
    from what is there.
    """
    random_, outcome, done, home = random.Random(name), Killed(), 0, folder
    with _nursery(name) as nursery:
        for one in range(times):
            if one % _KILLS_OF_A_FOLDER == 0:
                home, done = folder / str(one), 0
            acknowledged = _killed(nursery, home, done + 1, random_.uniform(0, within_s)) or done
            found = writer(name, home).whole(acknowledged)
            assert found in (acknowledged, acknowledged + 1)
            outcome.kills += 1
            outcome.acknowledged += acknowledged - done
            outcome.unacknowledged_but_whole += found - acknowledged
            done = found
    # What the killed have left is in nobody's way.
    last = writer(name, home)
    last.write(done + 1)
    assert last.whole(done + 1) == done + 1
    return outcome


def _killed(nursery: "subprocess.Popen[str]", home: Path, first: int, delay_s: float) -> int:
    """The last number that a writer has written before it was killed; 0 if none."""
    assert nursery.stdin is not None and nursery.stdout is not None
    print(json.dumps([str(home), first, delay_s]), file=nursery.stdin, flush=True)
    ended, acknowledged = json.loads(nursery.stdout.readline())
    assert ended == -signal.SIGKILL, "it failed before it could be killed"
    return int(acknowledged)


@contextmanager
def _nursery(name: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.killed_writers", name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, text=True, stdin=pipe, stdout=pipe) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _fork_and_kill(name: str, scratch: Path) -> None:
    _import_all(name)
    for line in sys.stdin:
        home, first, delay_s = json.loads(line)
        told, telling = os.pipe()
        child = os.fork()
        if child == 0:
            _write(name, Path(home), first, telling, scratch)
        os.close(telling)
        with os.fdopen(told, "rb") as file:
            assert file.read(1) == b"\n", "it has not begun"
            time.sleep(delay_s)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            numbers = file.read().split()
        print(json.dumps([os.waitstatus_to_exitcode(status), int(numbers[-1]) if numbers else 0]), flush=True)


def _write(name: str, home: Path, number: int, telling: int, scratch: Path) -> NoReturn:
    """Write and tell, until the process ends."""
    try:
        # The first time takes as long as many others, and would be what is killed nearly always.
        writer(name, scratch / str(os.getpid())).write(1)
        found = writer(name, home)
        os.write(telling, b"\n")
        while True:
            found.write(number)
            os.write(telling, f"{number}\n".encode())
            number += 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def _import_all(name: str) -> None:
    """Import what writers import when they first write; threads, which no fork takes along, are not begun by that."""
    import libs.features.validation.values  # noqa: F401

    if name in ("delta", "iceberg"):
        __import__(f"libs.features.table_formats.{name}")


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        _fork_and_kill(sys.argv[1], Path(scratch))
