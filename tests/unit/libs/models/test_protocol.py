"""The protocol by which roles change hands, in every order that two requests, lost locks and a crash can take.

The stores are modelled, the walk is the real one. Each write is an act of its own. A process asks for the lock, and
reads, as soon as it can, and writes as late as it likes: to read later is to have done the write before it later, too.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import pytest

from libs.base.author import author
from libs.models.history import History, Roles
from libs.models.ledger import Entry
from libs.models.protocol import Walk, advance, may_go_on
from libs.models.role_request import Request, withdrawal


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
    """All stores. `lock`: who holds it; `broken`: the version that Serve does not take."""

    markets: tuple[Market, ...]
    serving: tuple[Roles, ...]
    broken: str = ""
    lock: str | None = None


@dataclass(frozen=True)
class Process:
    """A request on its way, which has been told that the lock is its own if its next step needs it."""

    name: str
    walk: Walk


@dataclass(frozen=True)
class State:
    """Where everything is; `calm`: locks last; `deadly`: one process may still be killed."""

    world: World
    processes: tuple[Process, ...]
    calm: bool
    deadly: bool


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
            if any(self.world.broken in (roles.champion, roles.challenger) for roles in walk.document):
                return "no such package"
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


# What writes nothing that another step reads.
AT_ONCE = ("read", "render", "release")


def successors(state: State) -> Iterator[State]:
    """Everything that can happen next."""
    if state.world.lock is not None and not state.calm:
        yield replace(state, world=replace(state.world, lock=None))  # it expires, or Redis comes back empty
    for index, process in enumerate(state.processes):
        if process.walk.step == "end":
            continue
        world, moved = stepped(state.world, process)
        if moved is not None:
            yield replace(state, world=world, processes=changed(state, index, moved))
        if state.deadly and process.walk.step != "look":
            again = Process(f"{process.name}, run again", Walk(process.walk.request))
            yield replace(state, processes=changed(state, index, again), deadly=False)


def changed(state: State, index: int, process: Process) -> tuple[Process, ...]:
    return (*state.processes[:index], process, *state.processes[index + 1 :])


def stepped(world: World, process: Process) -> tuple[World, Process | None]:
    """One act of a process; None while it waits for the lock."""
    stores, walk = Stores(world, process.name), process.walk
    if walk.step == "lock" and world.lock not in (None, process.name):
        return world, None
    walk = dated(advance(walk, stores))
    while walk.step in AT_ONCE and may_go_on(walk, stores):
        walk = dated(advance(walk, stores))
    if not may_go_on(walk, stores):
        walk = walk.again()
    return stores.world, Process(process.name, without_past(walk))


def dated(walk: Walk) -> Walk:
    """The walk by the model's clock, which is the number of an entry."""
    if walk.step == "commit" and walk.entry is not None:
        return replace(walk, entry=replace(walk.entry, at=str(walk.history.mark.number + 1)))
    return walk


def without_past(walk: Walk) -> Walk:
    """The walk without what no later step looks at, so that states which differ in nothing else are one."""
    if walk.step == "end":
        return Walk(walk.request, "end", refusal=walk.refusal and "refused")
    return replace(walk, looked=(), entry=None, refusal=walk.refusal and "refused") if walk.decided else walk


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


def market(name: str, canary_share: float | None = None) -> Market:
    told = (("first", "1", None), ("shadow", "2", "1"), ("promote", "2", "1"), ("shadow", "3", "2"))
    entries = tuple(entry(*one, at, name) for at, one in enumerate(told, start=1))
    if canary_share is not None:
        entries = (*entries, replace(entry("canary", "3", "2", TOLD + 1, name), canary_share=canary_share))
    history = History(entries)
    return Market(entries, frozenset({len(entries)}), "2", "3", tags(history))


def start(
    *requests: Request,
    markets: int = 1,
    canary_share: float | None = None,
    broken: str = "",
    calm: bool = False,
    deadly: bool = True,
) -> State:
    found = tuple(market(str(index), canary_share) for index in range(markets))
    processes = tuple(Process(f"process {index}", Walk(request)) for index, request in enumerate(requests))
    return State(World(found, tuple(one.history.roles for one in found), broken), processes, calm, deadly)


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
        if walk.entry is not None and walk.entry.action == walk.request.action:
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
        case "canary":
            assert (one.version, one.previous) == (roles.challenger, roles.champion)
            assert one.canary_share is not None
            assert one.canary_share > (roles.canary_share or 0.0)
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
ROLLBACK, DEPLOY = Request("rollback", ("0",), "2"), Request("deploy", ("0",), "4")
JUDGED = replace(PROMOTE, judged=Roles("2", "3", "4"))
PUBLISH = Request("publish", ("0", "1"))
CANARY = Request("canary", ("0",), judged=Roles("2", "3", "4"), canary_share=0.1)
# From the step that CANARY begins; and what its end is asked for.
STEP = replace(CANARY, judged=Roles("2", "3", "4", 0.1), canary_share=0.5)
STOP, BEGUN = replace(REJECT, judged=Roles("2", "3", "4", 0.1)), "canary 3 0.1"
in_canary = partial(start, canary_share=0.1)

# What two requests may add to the ledger, in any order that the world may take.
OUTCOMES: dict[str, tuple[State, set[tuple[str, ...]]]] = {
    "two promotions": (start(PROMOTE, PROMOTE), {("promote 3",)}),
    "two rollbacks": (start(ROLLBACK, ROLLBACK), {("rollback 1",)}),
    "a promotion and a rejection": (start(PROMOTE, REJECT), {("promote 3",), ("reject 3",)}),
    # The challenger stays when the champion goes: who asks after that asks for another change.
    "a promotion and a rollback": (
        start(PROMOTE, ROLLBACK),
        {("promote 3",), ("rollback 1",), ("rollback 1", "promote 3")},
    ),
    "a verdict and a new challenger": (start(JUDGED, DEPLOY), {("promote 3", "shadow 4"), ("shadow 4",)}),
    "a version that Serve does not take": (start(DEPLOY, broken="4"), {("shadow 4", "withdraw 4")}),
    "a promotion and a version that Serve does not take": (
        start(PROMOTE, DEPLOY, broken="4", deadly=False),
        {("promote 3", "shadow 4", "withdraw 4"), ("shadow 4", "withdraw 4")},
    ),
    "a promotion and a deployment of another market": (start(PROMOTE, PUBLISH, markets=2), {("promote 3",)}),
    "two canaries": (start(CANARY, CANARY), {(BEGUN,)}),
    # The same settle on two hosts: what it was judged upon has changed for whoever comes second.
    "two steps of a canary": (in_canary(STEP, STEP), {(BEGUN, "canary 3 0.5")}),
    "a step of a canary and its stop": (in_canary(STEP, STOP), {(BEGUN, "canary 3 0.5"), (BEGUN, "reject 3")}),
    "a step of a canary and a promotion by hand": (
        in_canary(STEP, PROMOTE, deadly=False),
        {(BEGUN, "promote 3"), (BEGUN, "canary 3 0.5"), (BEGUN, "canary 3 0.5", "promote 3")},
    ),
    "a step of a canary and a new challenger": (
        in_canary(STEP, DEPLOY, deadly=False),
        {(BEGUN, "shadow 4"), (BEGUN, "canary 3 0.5", "shadow 4")},
    ),
    "a step of a canary and a rollback": (
        in_canary(STEP, ROLLBACK),
        {(BEGUN, "rollback 1"), (BEGUN, "canary 3 0.5"), (BEGUN, "canary 3 0.5", "rollback 1")},
    ),
}


def added(state: State) -> tuple[str, ...]:
    """What has been added to the ledger; of a canary's steps the shares, too."""
    return tuple(
        " ".join([one.action, one.version, *([f"{one.canary_share:g}"] if one.canary_share else [])])
        for one in state.world.markets[0].ledger[TOLD:]
    )


def ends(begin: State) -> Iterator[State]:
    """Every state in which both requests have ended, if what must hold has held all the way."""
    for state in explore(begin):
        require_sound(state)
        if all(process.walk.step == "end" for process in state.processes):
            require_complete(state)
            yield state


@pytest.mark.row(
    "15", "two changes of roles in every order, deaths and lost locks among them", "the newest always wins"
)
@pytest.mark.parametrize("case", OUTCOMES)
def test_two_requests_that_lose_the_lock_or_die_anywhere_and_are_run_again(
    figure: Callable[[str], None], case: str
) -> None:
    begin, allowed = OUTCOMES[case]
    found = [added(state) for state in ends(begin)]
    figure(f"{case}: Serve and registry come to the last entry in all {len(found):,} ends")
    assert set(found) == allowed


@pytest.mark.parametrize("other", [PROMOTE, JUDGED, REJECT])
def test_of_two_verdicts_exactly_one_wins_and_the_other_is_told(other: Request) -> None:
    outcomes = [
        (len(added(state)), sorted(process.walk.refusal or "won" for process in state.processes))
        for state in ends(start(PROMOTE, other, calm=True, deadly=False))
    ]
    assert outcomes
    assert all(outcome == (1, ["refused", "won"]) for outcome in outcomes)


def test_a_step_of_a_canary_that_a_killed_run_has_left_is_completed_before_the_next_is_made() -> None:
    begun = in_canary(STEP, calm=True, deadly=False)
    [left] = begun.world.markets
    unsettled = replace(begun.world, markets=(replace(left, settled=frozenset()),), serving=(Roles("2", "3", "4"),))
    [state] = ends(replace(begun, world=unsettled))
    assert added(state) == (BEGUN, "canary 3 0.5")


def test_a_rollback_keeps_what_it_rests_on() -> None:
    asked = Request("rollback", ("0",), "2", "second verdict: worse", {"lines": 9})
    [state] = ends(start(asked, calm=True, deadly=False))
    entry = state.world.markets[0].ledger[-1]
    assert (entry.action, entry.reason, entry.evidence) == ("rollback", "second verdict: worse", {"lines": 9})


def test_who_asked_is_in_the_entry_also_of_a_version_that_is_taken_back() -> None:
    asked = Request("rollback", ("0",), "2", by="key 0123456789ab")
    [state] = ends(start(asked, calm=True, deadly=False))
    assert state.world.markets[0].ledger[-1].by == "key 0123456789ab"
    assert withdrawal(History((state.world.markets[0].ledger[-1],)), "no memory", "ann@host").by == "ann@host"


def test_by_default_who_runs_the_process_asks() -> None:
    assert Request("publish", ("0",)).by == author()
