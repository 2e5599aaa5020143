"""The protocol by which roles change hands, in every order that two requests, lost locks and a crash can take.

The stores are modelled, the walk is the real one. Each step is one act. A process asks for the lock as soon as it can
and acts upon the answer as late as it likes: asking later would only make what it does less stale.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from libs.models.history import History, Roles
from libs.models.ledger import Entry
from libs.models.protocol import Request, Walk, advance, may_go_on


@dataclass(frozen=True)
class Market:
    """What the stores hold of one market."""

    ledger: tuple[Entry, ...]
    settled: frozenset[int]
    champion: str | None
    challenger: str | None
    tags: frozenset[tuple[str, str]]

    @property
    def history(self) -> History:
        return History(self.ledger, len(self.ledger) in self.settled)


@dataclass(frozen=True)
class World:
    """All stores. `lock`: who holds it."""

    markets: tuple[Market, ...]
    serving: tuple[Roles, ...]
    lock: str | None = None


@dataclass(frozen=True)
class Process:
    """A request on its way, which has been told that the lock is its own if its next step needs it."""

    name: str
    walk: Walk


@dataclass(frozen=True)
class State:
    world: World
    processes: tuple[Process, ...]
    crashed: bool


def tags(history: History) -> frozenset[tuple[str, str]]:
    return frozenset((version, found["fitwave.status"]) for version, found in history.statuses().items())


class Stores:
    """The modelled stores, as one process does one step to them."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    def holding(self) -> bool:
        return self.world.lock == self.name

    def do(self, walk: Walk) -> Any:
        if walk.step in ("look", "read"):
            return tuple(self.world.markets[int(name)].history for name in walk.request.markets)
        if walk.step == "render":
            return tuple(market.history.roles for market in self.world.markets)
        if walk.step == "serve":
            self.world = replace(self.world, serving=walk.document)
        elif walk.step == "lock":
            self.world = replace(self.world, lock=self.name)
        elif walk.step == "release":
            self.world = replace(self.world, lock=None if self.holding() else self.world.lock)
        elif walk.step == "commit":
            return self._commit(walk)
        else:
            for name, history in zip(walk.request.markets, walk.histories, strict=True):
                self._put(int(name), self._followed(self.world.markets[int(name)], walk.step, history))
        return None

    def _commit(self, walk: Walk) -> bool:
        [name] = walk.request.markets
        market = self.world.markets[int(name)]
        assert walk.entry is not None
        if len(market.ledger) != walk.history.mark.number:
            return False
        self._put(int(name), replace(market, ledger=(*market.ledger, walk.entry)))
        return True

    def _followed(self, market: Market, step: str, history: History) -> Market:
        if step == "tag":
            return replace(market, tags=tags(history))
        if step == "settle":
            return replace(market, settled=market.settled | {history.mark.number})
        return replace(market, **{step: getattr(history.roles, step)})

    def _put(self, index: int, market: Market) -> None:
        markets = self.world.markets
        self.world = replace(self.world, markets=(*markets[:index], market, *markets[index + 1 :]))


def successors(state: State) -> Iterator[State]:
    """Everything that can happen next."""
    if state.world.lock is not None:
        yield replace(state, world=replace(state.world, lock=None))  # it expires, or Redis comes back empty
    for index, process in enumerate(state.processes):
        if process.walk.step == "end":
            continue
        world, moved = stepped(state.world, process)
        if moved is not None:
            yield replace(state, world=world, processes=changed(state, index, moved))
        if not state.crashed and process.walk.step != "look":
            again = Process(f"{process.name}, run again", Walk(process.walk.request))
            yield replace(state, processes=changed(state, index, again), crashed=True)


def changed(state: State, index: int, process: Process) -> tuple[Process, ...]:
    return (*state.processes[:index], process, *state.processes[index + 1 :])


def stepped(world: World, process: Process) -> tuple[World, Process | None]:
    """One act of a process; None while it waits for the lock."""
    stores, walk = Stores(world, process.name), process.walk
    if walk.step == "lock" and world.lock not in (None, process.name):
        return world, None
    walk = advance(walk, stores)
    if walk.step == "commit" and walk.entry is not None:
        # The model's clock is the entry's number.
        walk = replace(walk, entry=replace(walk.entry, at=str(walk.history.mark.number + 1)))
    if not may_go_on(walk, stores):
        walk = walk.again()
    return stores.world, Process(process.name, without_past(walk))


def without_past(walk: Walk) -> Walk:
    """The walk without what no later step looks at, so that states which differ in nothing else are one."""
    if walk.step == "end":
        return Walk(walk.request, "end")
    return replace(walk, looked=(), entry=None) if walk.decided else walk


def explore(start: State) -> Iterator[State]:
    """Every state that can be reached, once."""
    seen, todo = {start}, deque([start])
    while todo:
        state = todo.popleft()
        yield state
        for following in successors(state):
            if following not in seen:
                seen.add(following)
                todo.append(following)


def entry(action: Any, version: str, previous: str | None, at: int, market: str = "0") -> Entry:
    return Entry(market, action, version, previous, "", at=str(at))


# v2 is champion after v1, and v3 its challenger.
TOLD = 4


def market(name: str) -> Market:
    told = (("first", "1", None), ("shadow", "2", "1"), ("promote", "2", "1"), ("shadow", "3", "2"))
    entries = tuple(entry(*one, at, name) for at, one in enumerate(told, start=1))
    history = History(entries)
    return Market(entries, frozenset({TOLD}), "2", "3", tags(history))


def start(*requests: Request, markets: int = 1, crashes: bool = True) -> State:
    found = tuple(market(str(index)) for index in range(markets))
    processes = tuple(Process(f"process {index}", Walk(request)) for index, request in enumerate(requests))
    return State(World(found, tuple(one.history.roles for one in found)), processes, crashed=not crashes)


def require_sound(state: State) -> None:
    """What holds always: the ledger is one that could come about, each entry is made upon what its request had looked
    at, and what answers is, or has been, champion by the ledger.
    """
    for market, serving in zip(state.world.markets, state.world.serving, strict=True):
        champions = champions_of(market.ledger)
        assert serving.champion in champions
        assert market.champion in champions
    for process in state.processes:
        walk = process.walk
        if walk.entry is not None and walk.request.action != "deploy":
            assert int(walk.entry.at) == walk.looked[0].number + 1


@cache
def champions_of(ledger: tuple[Entry, ...]) -> set[str | None]:
    """Who has been champion since the start, if each entry is a change that could be made upon those before it."""
    histories = [History(ledger[:number]) for number in range(len(ledger) + 1)]
    for before, one in zip(histories, ledger, strict=False):
        require_change(before, one)
    return {history.roles.champion for history in histories[TOLD:]}


def require_change(before: History, one: Entry) -> None:
    roles = before.roles
    match one.action:
        case "first":
            assert roles.champion is None
        case "shadow":
            assert one.previous == roles.champion
        case "promote" | "reject":
            assert (one.version, one.previous) == (roles.challenger, roles.champion)
        case "rollback":
            assert one.previous == roles.champion
            assert one.version == before.champion_before(str(roles.champion))


def require_complete(state: State) -> None:
    """What holds once all have ended: registry and Serve say what the ledger says."""
    for market, serving in zip(state.world.markets, state.world.serving, strict=True):
        roles = market.history.roles
        assert market.history.settled
        assert (market.champion, market.challenger, serving) == (roles.champion, roles.challenger, roles)
        assert market.tags == tags(market.history)


PROMOTE, REJECT = Request("promote", ("0",)), Request("reject", ("0",))
ROLLBACK = Request("rollback", ("0",), "2")
JUDGED = replace(PROMOTE, judged=Roles("2", "3", "4"))
DEPLOY, PUBLISH = Request("deploy", ("0",), "4"), Request("publish", ("0",))

# What two requests may add to the ledger, in any order that the world may take.
OUTCOMES: dict[str, tuple[tuple[Request, Request], set[tuple[str, ...]]]] = {
    "two promotions": ((PROMOTE, PROMOTE), {("promote 3",)}),
    "a promotion and a rejection": ((PROMOTE, REJECT), {("promote 3",), ("reject 3",)}),
    # One that was asked for when the other had happened is about what the other has made.
    "a promotion and a rollback": (
        (PROMOTE, ROLLBACK),
        {("promote 3",), ("rollback 1",), ("rollback 1", "promote 3")},
    ),
    "a verdict and a new challenger": (
        (JUDGED, DEPLOY),
        {("promote 3", "shadow 4"), ("shadow 4",)},
    ),
    "a promotion and a deployment of all": ((PROMOTE, PUBLISH), {("promote 3",)}),
}


def added(state: State) -> tuple[str, ...]:
    return tuple(f"{one.action} {one.version}" for one in state.world.markets[0].ledger[TOLD:])


@pytest.mark.parametrize("case", OUTCOMES)
def test_two_requests_that_lose_the_lock_or_die_anywhere_and_are_run_again(case: str) -> None:
    requests, allowed = OUTCOMES[case]
    outcomes = set()
    for state in explore(start(*requests)):
        require_sound(state)
        if all(process.walk.step == "end" for process in state.processes):
            require_complete(state)
            outcomes.add(added(state))
    assert outcomes == allowed
