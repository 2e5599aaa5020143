"""Rates of several replicas, counted in a real store."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apps.serve.rate_limit import RateCounts, RateLimit, Standing
from infra.branches.key_space import KeySpace
from libs.base.errors import TransientError
from libs.base.redis_url import connect
from tests.integration.apps.serve.conftest import Server
from tests.redis_servers import cluster, sentinel

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time, which begins 20 s into a minute and stands; intervals are measured by another."""
    at = [1_000_000_040.0]
    monkeypatch.setattr("time.time", lambda: at[0])
    return lambda later_s: at.__setitem__(0, at[0] + later_s)


@asynccontextmanager
async def replicas(url: str, per_minute: int, environment: str = "test") -> AsyncIterator[list[RateLimit]]:
    """What two gateways have."""
    counts = [RateCounts(url, environment) for _ in range(2)]
    try:
        yield [RateLimit(one.add, per_minute) for one in counts]
    finally:
        for one in counts:
            await one.close()


async def ask(requests: dict[RateLimit, int]) -> list[int]:
    """How many are admitted, of so many of one key at each replica, all at once and taking turns."""
    turns = [limit for turn in range(max(requests.values())) for limit, count in requests.items() if turn < count]
    standings = await asyncio.gather(*(limit.ask("k") for limit in turns))
    return [
        sum(one.admitted for limit, one in zip(turns, standings, strict=True) if limit is replica)
        for replica in requests
    ]


@pytest.mark.row("25", "limit of 100, over two gateways, 1,000 requests at once", "exactly 100 admitted")
async def test_exactly_the_limit_is_admitted_over_two_gateways(server: Server, figure: Callable[[str], None]) -> None:
    async with replicas(server.url, 100) as (one, other):
        begin = time.perf_counter()
        found = await ask({one: 500, other: 500})
        took_ms = 1_000 * (time.perf_counter() - begin)
    figure(f"{sum(found)} admitted, {found[0]} and {found[1]}, in {took_ms:.0f} ms")
    assert sum(found) == 100


@pytest.mark.parametrize("shares", [(990, 10), (10, 990), (1_000, 1)])
async def test_exactly_the_limit_is_admitted_however_unevenly_gateways_are_asked(
    server: Server, shares: tuple[int, int]
) -> None:
    async with replicas(server.url, 100) as (one, other):
        assert sum(await ask({one: shares[0], other: shares[1]})) == 100


async def test_one_after_the_other_at_turns_they_admit_exactly_the_limit(server: Server) -> None:
    async with replicas(server.url, 100) as limits:
        standings: list[Standing] = [await limits[turn % 2].ask("k") for turn in range(300)]
    assert [one.admitted for one in standings] == [True] * 100 + [False] * 200
    assert [one.remaining for one in standings[:3]] == [99, 98, 97]


async def test_the_next_minute_is_another_hundred(server: Server, clock: Callable[[float], None]) -> None:
    async with replicas(server.url, 100) as (one, other):
        for _ in range(3):
            assert sum(await ask({one: 300, other: 300})) == 100
            clock(60)


async def test_counts_end_by_themselves_and_are_the_environments(server: Server) -> None:
    async with replicas(server.url, 100) as (one, _), replicas(server.url, 100, "elsewhere") as (theirs, _):
        await one.ask("0a1b")
        await theirs.ask("0a1b")
    with connect(server.url, 2) as client, KeySpace(server.url, "test") as keys:
        name = "fitwave:test:rate:0a1b:16666667"
        assert 60 < int(client.ttl(name)) <= 120
        assert list(keys.keys()) == [name.encode()]
        keys.remove()
        assert client.keys() == [b"fitwave:elsewhere:rate:0a1b:16666667"]


async def test_without_the_store_each_gateway_holds_the_limit_and_both_together_again_when_it_is_back(
    server: Server, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.serve.rate_limit._AWAY_S", 0.2)
    async with replicas(server.url, 100) as (one, other):
        assert sum(await ask({one: 10, other: 10})) == 20
        server.stop()
        assert await ask({one: 500, other: 500}) == [90, 90]
        clock(60)
        assert await ask({one: 500, other: 500}) == [100, 100]
        clock(60)
        await asyncio.to_thread(server.start)
        await asyncio.sleep(0.3)
        await asyncio.gather(one.ask("another"), other.ask("another"))
        assert sum(await ask({one: 500, other: 500})) == 100


async def test_a_store_that_stands_still_holds_nobody_up(server: Server) -> None:
    async with replicas(server.url, 100) as (one, _):
        await one.ask("k")
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            begin = time.perf_counter()
            assert await ask({one: 500}) == [99]
            assert time.perf_counter() - begin < 0.4
            begin = time.perf_counter()
            await asyncio.gather(*(one.ask(f"k{number}") for number in range(200)))
            assert time.perf_counter() - begin < 0.1, "nobody else waits for it"
        finally:
            os.kill(server.process.pid, signal.SIGCONT)


async def test_a_cluster_counts_and_one_that_is_gone_holds_nobody_up(tmp_path: Path) -> None:
    with cluster(tmp_path) as url:
        async with replicas(url, 100) as (one, other):
            await asyncio.gather(one.ask("warm"), other.ask("warm"))
            assert sum(await ask({one: 500, other: 500})) == 100
    async with replicas(url, 100) as (one, other):
        begin = time.perf_counter()
        assert await ask({one: 500, other: 500}) == [100, 100]
        assert time.perf_counter() - begin < 1


async def test_a_failover_of_sentinels_is_followed(tmp_path: Path) -> None:
    with sentinel(tmp_path) as (url, master):
        counts = RateCounts(url, "test")
        assert await counts.add("k", 0, 1) == 1
        master.kill()
        with pytest.raises(TransientError):
            await counts.add("k", 0, 1)
        async with asyncio.timeout(20):
            while await counted(counts) is None:
                await asyncio.sleep(0.1)
        await counts.close()


async def counted(counts: RateCounts) -> int | None:
    try:
        return await counts.add("other", 0, 1)
    except TransientError:
        return None
