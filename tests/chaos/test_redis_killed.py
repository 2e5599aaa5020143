"""Redis is killed while features are written: what it had acknowledged is there again, and a refresh heals the rest."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from infra.stack.processes import Record, stop
from infra.stack.redis_server import start_redis
from libs.base.cluster import connected
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import TransientError
from libs.features.definitions import views
from libs.features.generator.deliveries import cut_off, deliver
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.online import OnlineStore
from libs.features.preprocess import Prepared, preprocess
from libs.features.refresh import Destination, Refreshed, refresh
from libs.features.sides import SIDES, WRITING, Sides, place

PLAN = MarketPlan("de", 400, 80, 400, 2)
AS_OF = cut_off(PLAN, 0)
WRITES, BATCH = 100_000, 500


@dataclass
class Server:
    """A server as `fitwave up` starts it, which can be killed and started again on what it has left."""

    home: Path
    url: str = ""
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(self.home / "processes.json")
        self.url = start_redis(self.home, self.record)

    def kill(self) -> None:
        os.kill(self.record.read()[-1].pid, signal.SIGKILL)

    def again(self) -> None:
        self.url = start_redis(self.home, self.record)


@pytest.fixture(scope="module")
def week(environment: Environment, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    lake = Lake.open(str(tmp_path_factory.mktemp("lake")))
    deliver(lake, PLAN, 0)
    with connected(endpoints):
        market = {"de": environment.market("de")}
        prepared = preprocess(lake.root, market, AS_OF, tmp_path_factory.mktemp("run"))["de"]
    assert isinstance(prepared, Prepared)
    return prepared


@pytest.mark.timeout(900)
@pytest.mark.row(
    "13",
    f"Redis is killed amid {WRITES:,} writes, AOF every second",
    "1 s of acknowledged writes lost at most; the next refresh heals it",
)
def test_what_was_acknowledged_is_there_and_a_refresh_heals_the_rest(
    figure: Callable[[str], None], endpoints: Endpoints, week: Prepared, tmp_path: Path
) -> None:
    server, view, name = Server(tmp_path), views().customers, "killed-redis"
    try:
        with connected(endpoints):
            for _ in SIDES:
                assert isinstance(refresh(Destination(name, tmp_path, server.url), [week])["de"], Refreshed)
        live = Sides(server.url, name).require_live("de")
        other = next(side for side in SIDES if side != live.side)
        Sides(server.url, name).set_contents("de", other, WRITING)
        before = everybody(server, name, week, live.place)

        table = pl.read_parquet(week.customers_path)
        rows = pl.concat([table] * (BATCH // len(table) + 1)).head(BATCH)
        acknowledged: list[tuple[float, list[str]]] = []

        def write() -> None:
            store = OnlineStore.open(name, tmp_path, server.url)
            for first in range(0, WRITES, BATCH):
                ids = [f"x{number}" for number in range(first, first + BATCH)]
                try:
                    store.write(view, place("de", other), ids, rows, AS_OF)
                except TransientError:
                    return
                acknowledged.append((time.monotonic(), ids))

        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < WRITES // BATCH // 2:
            assert writer.is_alive()
            time.sleep(0.001)
        killed = time.monotonic()
        server.kill()
        writer.join()
        server.again()

        store = OnlineStore.open(name, tmp_path, server.url)
        lost = [(at, len(ids) - store.count(view, place("de", other), ids)) for at, ids in acknowledged]
        rows_lost = sum(count for _, count in lost)
        oldest_s = max((killed - at for at, count in lost if count), default=0.0)
        done = len(acknowledged) * BATCH
        assert done < WRITES, "the test's own: it was not killed amid its writes"
        assert everybody(server, name, week, live.place) == before, "what is live is as it was"
        with connected(endpoints):
            healed = refresh(Destination(name, tmp_path, server.url), [week])["de"]
        assert isinstance(healed, Refreshed)
        assert everybody(server, name, week, place("de", other)) == before
        strangers = store.count(view, place("de", other), [one for _, ids in acknowledged for one in ids])
        figure(
            f"killed after {done:,} acknowledged writes: {rows_lost:,} lost, the oldest {oldest_s:.2f} s old; the next "
            f"refresh wrote all {healed.written:,} rows anew and left {strangers} of the killed one's"
        )
        assert oldest_s <= 1.0
        assert strangers == 0
    finally:
        for one in server.record.read():
            stop(one, 5.0)


def everybody(server: Server, name: str, week: Prepared, at: str) -> list[str]:
    """The rows of all customers of the week, in order, as text: a number that is not one equals nothing."""
    ids = pl.read_parquet(week.customers_path)["customer_id"].to_list()
    return [repr(row) for row in OnlineStore.open(name, server.home, server.url).read(views().customers, at, ids)]
