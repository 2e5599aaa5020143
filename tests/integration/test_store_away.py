"""A lookup whose online store is killed or stands still goes on with what it has read, and says so."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.base.market import Market
from libs.features.definitions import views
from libs.features.lookup import OnlineLookup
from libs.features.online import OnlineStore
from libs.features.sides import Sides
from libs.features.snapshot import Question, Snapshot
from libs.features.tables import build_tables
from tests.redis_servers import client, server, wait_until
from tests.small_market import AS_OF, small_market

PATIENCE_S = 0.2
READ = [Question("c1", "a1"), Question("c2", "a2")]
NEVER_READ = [Question("c9", "a1"), Question("c1", "a9")]


@dataclass
class Store:
    """A server whose process can be stopped, and a lookup that reads it."""

    pid: int
    lookup: OnlineLookup

    def signal(self, which: signal.Signals) -> None:
        os.kill(self.pid, which)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    data = small_market(lines=2_000)
    tables = build_tables(Market(name="de"), data.lines, data.returns, data.customers, data.articles, AS_OF)
    with server(tmp_path / "redis") as (port, process):
        wait_until(lambda: bool(client(port).ping()))
        url = f"redis://127.0.0.1:{port}/0"
        online = OnlineStore.open("away", tmp_path, url, PATIENCE_S)
        live = Sides(url, "away").make_live("de", "a", AS_OF)
        online.write(views().customers, live.place, tables.customers["customer_id"].to_list(), tables.customers, AS_OF)
        online.write(views().articles, live.place, tables.articles["article_id"].to_list(), tables.articles, AS_OF)
        yield Store(process.pid, OnlineLookup(online, views(), Sides(url, "away", timeout_s=PATIENCE_S)))


def same(one: Snapshot, other: Snapshot) -> bool:
    pairs = [(one.requests.values[name], column) for name, column in other.requests.values.items()]
    return one.known == other.known and all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_what_was_read_before_answers_without_waiting_while_the_store_stands_still(store: Store) -> None:
    before = store.lookup.look_up("de", READ)
    store.signal(signal.SIGSTOP)
    time.sleep(0.6)  # what is live is believed for half a second
    waits = []
    for _ in range(20):
        begin = time.monotonic()
        found = store.lookup.look_up("de", READ)
        waits.append(time.monotonic() - begin)
        assert found.store_away
        assert same(found, before)
    assert waits[0] < 2 * PATIENCE_S
    assert max(waits[1:]) < PATIENCE_S / 2, "only the first waits in vain"


def test_customers_never_read_count_as_the_markets_and_articles_never_read_as_unavailable(store: Store) -> None:
    store.lookup.look_up("de", READ)
    store.signal(signal.SIGKILL)
    time.sleep(0.1)
    found = store.lookup.look_up("de", NEVER_READ)
    assert found.store_away
    assert found.known == [0]
    nobody = store.lookup.look_up("de", [Question("nobody at all", "a1")])
    assert same(nobody, found.select([0]))


def test_a_store_that_is_back_is_read_again_within_a_second(store: Store) -> None:
    before = store.lookup.look_up("de", READ)
    store.signal(signal.SIGSTOP)
    time.sleep(0.6)
    assert store.lookup.look_up("de", READ).store_away
    store.signal(signal.SIGCONT)
    time.sleep(1.0)
    after = store.lookup.look_up("de", READ)
    assert not after.store_away
    assert same(after, before)
    assert store.lookup.look_up("de", NEVER_READ).known == [0, 1]


def test_a_lookup_that_has_read_nothing_yet_knows_nothing_and_says_so(store: Store) -> None:
    store.signal(signal.SIGKILL)
    time.sleep(0.1)
    found = store.lookup.look_up("de", READ)
    assert (found.store_away, found.known, found.as_of) == (True, [], None)
