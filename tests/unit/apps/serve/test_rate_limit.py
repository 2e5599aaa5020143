"""How many requests of a key are admitted, whatever the replicas and the counts behind them do."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.serve.rate_limit import RateLimit, grant
from libs.base.errors import TransientError

pytestmark = pytest.mark.anyio


class Counts:
    """What stands where Redis is: counts at once, answers when the test lets it, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.totals: dict[tuple[str, int], int] = {}
        self.asked: list[int] = []
        self.is_away = False
        self.delays_s: list[float] = []

    async def add(self, key_id: str, window: int, requests: int) -> int:
        self.asked.append(requests)
        await asyncio.sleep(self.delays_s.pop() if self.delays_s else 0)
        if self.is_away:
            raise TransientError("rates cannot be counted: away")
        self.totals[key_id, window] = total = self.totals.get((key_id, window), 0) + requests
        return total


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the time, which begins 20 s into a minute and stands."""
    at = [1_000_000_040.0]
    monkeypatch.setattr("time.time", lambda: at[0])
    return lambda later_s: at.__setitem__(0, at[0] + later_s)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets what intervals are measured by, which stands."""
    at = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: at[0])
    return lambda later_s: at.__setitem__(0, at[0] + later_s)


async def admitted(limit: RateLimit, requests: int, key_id: str = "k") -> int:
    """Of so many at once."""
    return sum(one.admitted for one in await asyncio.gather(*(limit.ask(key_id) for _ in range(requests))))


@pytest.mark.usefixtures("clock")
async def test_admits_exactly_the_limit_and_says_how_much_is_left(counts: Counts) -> None:
    limit = RateLimit(counts.add, 3)
    standings = [await limit.ask("k") for _ in range(5)]
    assert [one.admitted for one in standings] == [True, True, True, False, False]
    assert [one.remaining for one in standings] == [2, 1, 0, 0, 0]
    assert {one.reset_s for one in standings} == {40}
    assert counts.totals == {("k", 16_666_667): 3}, "what is surely refused is not counted"


@pytest.mark.usefixtures("clock")
async def test_keys_have_rates_of_their_own(counts: Counts) -> None:
    limit = RateLimit(counts.add, 2)
    assert [await admitted(limit, 5, key_id) for key_id in ("a", "b")] == [2, 2]


async def test_the_next_minute_begins_anew_and_nothing_of_the_last_is_kept(
    counts: Counts, clock: Callable[[float], None]
) -> None:
    limit = RateLimit(counts.add, 10)
    await asyncio.gather(*(limit.ask(f"k{number}") for number in range(100)))
    assert await admitted(limit, 20) == 10
    clock(39.9)
    assert not (standing := await limit.ask("k")).admitted
    assert standing.reset_s == 1
    clock(0.1)
    assert await admitted(limit, 20) == 10
    assert len(limit._shares) == 1


@pytest.mark.usefixtures("clock")
async def test_requests_that_come_at_once_share_one_call(counts: Counts) -> None:
    limit = RateLimit(counts.add, 600_000)
    assert await admitted(limit, 500) == 500
    assert counts.asked == [500]


@pytest.mark.usefixtures("clock")
async def test_a_slow_key_takes_one_and_a_busy_one_as_many_as_it_needs_for_a_tenth_of_a_second(
    counts: Counts, steady: Callable[[float], None]
) -> None:
    limit = RateLimit(counts.add, 600_000)
    for _ in range(5):
        await limit.ask("k")
        steady(0.5)
    assert counts.asked == [1] * 5
    for _ in range(10_000):
        await limit.ask("k")
        steady(0.001)
    assert len(counts.asked) - 5 < 150, "10 s of 1,000 a second"
    assert max(counts.asked) <= 200
    for _ in range(max(counts.asked) + 1):  # the last lease first
        steady(0.5)
        await limit.ask("k")
    assert counts.asked[-1] == 1, "slow again"


@pytest.mark.usefixtures("clock", "steady")
async def test_no_lease_is_more_than_a_hundredth_of_the_limit(counts: Counts) -> None:
    limit = RateLimit(counts.add, 1_000)
    for _ in range(500):
        await limit.ask("k")
    assert max(counts.asked) == 10


@pytest.mark.usefixtures("clock")
async def test_a_caller_that_goes_away_takes_nothing_from_those_who_wait_with_it(counts: Counts) -> None:
    limit, counts.delays_s = RateLimit(counts.add, 600_000), [0.02]
    gone, stays = (asyncio.create_task(limit.ask("k")) for _ in range(2))
    await asyncio.sleep(0.01)
    gone.cancel()
    assert (await stays).admitted
    assert counts.asked == [2]


@pytest.mark.usefixtures("clock")
async def test_each_replica_holds_the_limit_alone_while_counts_are_away(
    counts: Counts, steady: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "apps.serve.rate_limit")
    replicas = [RateLimit(counts.add, 100) for _ in range(2)]
    assert [await admitted(one, 30) for one in replicas] == [30, 30]
    counts.is_away = True
    assert [await admitted(one, 1_000) for one in replicas] == [70, 70]
    asked = len(counts.asked)
    await admitted(replicas[0], 1_000, "other")
    assert len(counts.asked) == asked, "what is away is not asked again at once"
    steady(3.1)
    await asyncio.gather(*(replicas[0].ask(f"k{number}") for number in range(50)))
    assert len(counts.asked) == asked + 1, "one looks whether it is back"
    assert len(caplog.messages) == 2, "each replica says it once"
    counts.is_away = False
    steady(3.1)
    assert await admitted(replicas[0], 1_000, "third") == 100
    assert caplog.messages[2:] == ["rates are counted for all gateway replicas together again"]


@pytest.mark.usefixtures("clock")
async def test_counts_that_were_lost_give_no_replica_more_than_the_limit(counts: Counts) -> None:
    limit = RateLimit(counts.add, 100)
    assert await admitted(limit, 60) == 60
    counts.totals.clear()
    assert await admitted(limit, 1_000) == 40


@pytest.mark.usefixtures("clock")
async def test_a_mistake_is_told_to_all_who_wait_and_not_asked_for_ever(counts: Counts) -> None:
    async def broken(key_id: str, window: int, requests: int) -> int:
        raise ZeroDivisionError

    limit = RateLimit(broken, 100)
    found = await asyncio.gather(limit.ask("k"), limit.ask("k"), return_exceptions=True)
    assert [type(one) for one in found] == [ZeroDivisionError] * 2


@given(st.integers(1, 1_000), st.lists(st.integers(1, 300)))
def test_what_is_granted_in_any_order_is_the_limit_or_all_that_was_wanted(limit: int, wanted: list[int]) -> None:
    totals = [sum(wanted[: place + 1]) for place in range(len(wanted))]
    granted = [grant(limit, total - one, one) for total, one in zip(totals, wanted, strict=True)]
    assert all(0 <= got <= one for got, one in zip(granted, wanted, strict=True))
    assert sum(granted) == min(limit, sum(wanted))


@given(
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), max_size=12),
    st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.002]), max_size=40),
)
def test_no_interleaving_of_replicas_admits_more_than_the_limit(
    per_minute: int, bursts: list[tuple[int, int]], delays_s: list[float]
) -> None:
    async def run() -> int:
        counts = Counts()
        counts.delays_s = delays_s
        replicas = [RateLimit(counts.add, per_minute) for _ in range(3)]
        asked = []
        for replica, requests in bursts:
            asked.append(asyncio.create_task(admitted(replicas[replica], requests)))
            await asyncio.sleep(delays_s[0] if delays_s else 0)
        return sum([await one for one in asked])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: 1_000_000_040.0)
        found = asyncio.run(run())
    wanted = sum(requests for _, requests in bursts)
    # What a replica holds when all is asked is of use to nobody.
    held = 3 * max(0, per_minute // 100 - 1)
    assert min(per_minute, wanted) - held <= found <= min(per_minute, wanted)
