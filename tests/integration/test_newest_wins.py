"""Writers that meet, in any order and without any lock: the newest wins, and who was told that it is done is done.

A thousand generated cases on a real Redis and a real disk. That Serve comes to run what the last entry says, whoever
writes late or dies, is gone through in every order in `tests/unit/libs/models/test_protocol.py`.
"""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from libs.base.errors import TransientError
from libs.features.sides import SIDES, Live, Sides
from libs.models.ledger import Entry, Ledger
from tests.redis_servers import client, server, wait_until

CASES = 500
WRITERS = 4
FIRST = datetime(2026, 7, 6, tzinfo=UTC)
row = pytest.mark.row("15", f"writers that meet out of order, {2 * CASES:,} generated cases", "the newest always wins")


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("redis")) as (port, _):
        wait_until(lambda: bool(client(port).ping()))
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WRITERS) as pool:
        yield pool


@row
def test_whatever_has_become_of_locks_the_features_of_the_latest_cut_off_are_live(
    figure: Callable[[str], None], redis_url: str, threads: ThreadPoolExecutor
) -> None:
    random_, refused = random.Random(15), 0
    writers, reader = [Sides(redis_url, "newest") for _ in range(WRITERS)], Sides(redis_url, "newest")
    for case in range(CASES):
        weeks = [FIRST + timedelta(weeks=random_.randrange(WRITERS)) for _ in range(WRITERS)]
        together = Barrier(WRITERS)

        def refresh(writer: Sides, week: datetime, market: str = f"m{case}", met: Barrier = together) -> Live | None:
            met.wait()
            with suppress(TransientError):
                return writer.make_live(market, SIDES[0], week)
            return None

        made = list(threads.map(refresh, writers, weeks))
        live = reader.require_live(f"m{case}")
        assert live.as_of == max(weeks), f"case {case}: {weeks}"
        # Of those who are told that it is done, the last of the latest week stands.
        assert live in made
        assert all(one is not None for one, week in zip(made, weeks, strict=True) if week == max(weeks))
        refused += made.count(None)
    figure(f"{CASES} times {WRITERS} refreshes at once: the latest cut-off live each time, {refused} earlier refused")


@row
def test_an_entry_that_was_added_stays_and_follows_what_it_was_decided_upon(
    figure: Callable[[str], None], tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    random_, refused = random.Random(15), 0
    for case in range(CASES):
        market, seen = f"m{case}", 0
        ledger, told = Ledger(tmp_path), list[Entry]()
        for _ in range(2):
            # Each decides upon a state that is the last one, or older.
            upon = [random_.randint(0, seen) for _ in range(WRITERS)]
            entries = [Entry(market, "promote", f"{seen}-{one}", None, "") for one in range(WRITERS)]
            added = list(threads.map(ledger.append, entries, upon))
            assert added == [False] * WRITERS or added.count(True) == 1
            assert all(after == seen for done, after in zip(added, upon, strict=True) if done)
            told += [one for done, one in zip(added, entries, strict=True) if done]
            refused += added.count(False)
            seen = len(told)
            assert ledger.entries(market) == told, f"case {case}"
    figure(
        f"{CASES} ledgers of {WRITERS} writers at once: each entry that was added stands, {refused} late ones refused"
    )
