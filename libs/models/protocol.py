"""How roles change hands: the steps, and what comes after each. Pure: what a step does to the stores is the stores'.

| step | does |
|---|---|
| look | reads the ledger: what the request was made upon |
| lock | waits for the environment's lock |
| read | reads the ledger again, and decides: an entry, nothing, or a refusal |
| commit | adds the entry as the next number. From here on the change has happened |
| champion, challenger | makes the registry's aliases what the ledger says |
| tag | makes the versions' tags what the ledger says |
| render, serve | makes the Serve document of what all ledgers say, and has Serve run it |
| settle | notes that everything follows the entry |
| release | gives the lock back |

Why it holds. A change is one atomic act, `commit`, which the ledger refuses if any other change came first; its number
is the fencing token, which no loss of Redis can set back. Everything after it copies the ledger to where it is read
from, and may be done again and again. MLflow and Serve cannot refuse a late writer, so before every step the lock is
asked for, and whoever has lost it begins again at `lock`: the last to write has held the lock from reading the ledger
to settling. A writer that wrote too late and then died leaves an alias or Serve a change behind, which is the old
champion, until anybody's next request; every request, a refused one too, first puts everything right.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args

from libs.base.errors import DataError
from libs.models.history import History, Mark
from libs.models.ledger import Entry
from libs.models.role_request import MADE_BY, Request, changed, entry_for, withdrawal

Step = Literal[
    "look", "lock", "read", "commit", "champion", "challenger", "tag", "render", "serve", "settle", "release", "end"
]
STEPS: tuple[Step, ...] = get_args(Step)
# What is done only while the lock is held.
LOCKED = frozenset(STEPS[STEPS.index("read") : STEPS.index("release")])


@dataclass(frozen=True)
class Walk:
    """How far a request has come. `step` is what it does next.

    `looked`: how far the markets had come when the request was made. `decided`: there is nothing left to decide.
    `entry`: what it adds, or has added; or what a killed run of the same request had. `refusal`: why it does not
    happen.
    """

    request: Request
    step: Step = "look"
    looked: tuple[Mark, ...] = ()
    histories: tuple[History, ...] = ()
    decided: bool = False
    entry: Entry | None = None
    refusal: str | None = None
    document: Any = None

    @property
    def history(self) -> History:
        """The one market's, of a request that is about one."""
        return self.histories[0]

    def after(self, seen: Any) -> "Walk":
        """The walk once its step has been done, which has seen this."""
        match self.step:
            case "look":
                return replace(self, looked=tuple(one.mark for one in seen), step="lock")
            case "read":
                return self._read(seen)
            case "commit":
                return self._committed() if seen else self._overtaken()
            case "render":
                return replace(self, document=seen, step="serve")
            case "serve" if seen is not None:
                return self._not_served(seen)
            case "serve":
                return replace(self, document=None, step="settle")
            case "settle" if not self.decided:
                return replace(self, step="read")
        return replace(self, step=STEPS[STEPS.index(self.step) + 1])

    def again(self) -> "Walk":
        """The walk once it has found that it lost the lock: what has been decided stays so."""
        return replace(self, histories=(), document=None, step="lock")

    def _read(self, histories: tuple[History, ...]) -> "Walk":
        found = replace(self, histories=histories, step="champion")
        if self.decided or self.request.action == "publish":
            return replace(found, decided=True)
        try:
            entry = found._decide()
        except DataError as error:
            return replace(found, decided=True, refusal=str(error))
        if entry is not None:
            return replace(found, entry=entry, step="commit")
        if found._is_unfinished() and found._own_entry() is None:
            # Somebody else's, who was killed: that is completed first.
            return replace(found, looked=(Mark(found.history.mark.number, settled=True),))
        return replace(found, decided=True, entry=found._own_entry())

    def _decide(self) -> Entry | None:
        """What it adds; nothing, if it was there already, or if there is something else to complete first."""
        if self.refusal is not None:
            return withdrawal(self.history, self.refusal, self.request.by) if self._may_be_withdrawn() else None
        if self.request.action != "deploy" and self.looked[0] != self.history.mark:
            raise DataError(changed(self.request, self.history))
        if self._is_unfinished():
            return None
        if self.request.action == "rollback" and self.request.version and self._own_entry():
            return None
        return entry_for(self.request, self.history)

    def _is_unfinished(self) -> bool:
        return not self.history.settled and self.refusal is None

    def _may_be_withdrawn(self) -> bool:
        """Whether the last entry deploys a version, and Serve has not run it yet."""
        return not self.history.settled and self.history.entries[-1].action in MADE_BY["deploy"]

    def _own_entry(self) -> Entry | None:
        """The last entry, if this request may have made it."""
        entry = self.history.entries[-1] if self.history.entries else None
        if entry is None or entry.action not in MADE_BY[self.request.action]:
            return None
        if entry.canary_share != self.request.canary_share:
            return None
        about = entry.previous if entry.action == "rollback" else entry.version
        wanted = self.request.version or (self.request.judged.challenger if self.request.judged else None)
        return entry if wanted in (None, about) else None

    def _committed(self) -> "Walk":
        assert self.entry is not None
        return replace(self, histories=(self.history.with_entry(self.entry),), decided=True, step="champion")

    def _overtaken(self) -> "Walk":
        """Somebody else has added an entry since the ledger was read: this lock was lost."""
        if self.refusal is not None or self.request.action == "deploy":
            return replace(self, entry=None, step="read")
        return replace(self, entry=None, decided=True, refusal=changed(self.request, self.history), step="read")

    def _not_served(self, why: str) -> "Walk":
        """Serve does not take it: a version that was to be deployed gives its role back."""
        if self.request.action != "publish" and self.refusal is None and self._may_be_withdrawn():
            return replace(self, decided=False, entry=None, refusal=why, document=None, step="read")
        return replace(self, refusal=self.refusal or why, document=None, step="release")


class Stores(Protocol):
    """Where the steps are done."""

    def holding(self) -> bool:
        """Whether the lock is still this walk's."""

    def do(self, walk: Walk) -> Any:
        """Do the step that the walk is at; what it has seen goes into `Walk.after`."""


def run(request: Request, stores: Stores) -> Walk:
    """Walk from the first step to the last.

    Raises:
        DataError: the request is refused; everything follows the ledger nevertheless.
        TransientError: a store is away. The same request again goes on from there.
    """
    walk = Walk(request)
    while walk.step != "end":
        walk = advance(walk, stores) if may_go_on(walk, stores) else walk.again()
    if walk.refusal is not None:
        raise DataError(walk.refusal)
    return walk


def may_go_on(walk: Walk, stores: Stores) -> bool:
    """Whether the next step needs no lock, or has it."""
    return walk.step not in LOCKED or stores.holding()


def advance(walk: Walk, stores: Stores) -> Walk:
    """Do one step."""
    return walk.after(stores.do(walk))
