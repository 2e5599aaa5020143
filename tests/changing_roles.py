"""A process that changes a market's roles again and again, and kills itself at a random step of every so many changes.

Serve is left out: what a change does to it is seen in `tests/integration/test_killed_promotion.py`.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from tests.promotion_process import HELD_S, Halt

MARKET, CHAMPION, CHALLENGER = "de", "1", "2"
# What is killed: before and after each of them.
STEPS = ("look", "lock", "read", "commit", "champion", "challenger", "tag", "settle", "release")
_KILLED_EVERY = 8


def run(environment: Environment, endpoints: Endpoints, name: str, changes: int, log: Path) -> None:
    """Make what is left of so many changes; `log` has a line for what is begun and one for what came of it."""
    from libs.base import redis_lock
    from libs.base.errors import DataError, TransientError
    from libs.models.ledger import Entry
    from libs.models.lifecycle import Lifecycle, RoleStores
    from libs.models.role_request import Request

    redis_lock.HELD_S = HELD_S
    RoleStores._serve = lambda *_: None  # type: ignore[method-assign]
    undisturbed, lifecycle = RoleStores.do, Lifecycle.of(environment, endpoints)

    def tell(what: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")

    begun = sum(line.startswith("begun") for line in log.read_text(encoding="utf-8").splitlines())
    for number in range(begun, changes):
        reason, random_ = f"{name}-{number}", random.Random(f"{name} {number}")
        tell(f"begun {reason}")
        RoleStores.do = undisturbed  # type: ignore[method-assign]
        if random_.randrange(_KILLED_EVERY) == 0:
            halt = Halt(random_.choice(("before", "after")), random_.choice(STEPS))
            tell(f"kill {halt.when} {halt.step}")
            halt.set_up()
        try:
            change(lifecycle, reason, Request, Entry)
            tell(f"done {reason}")
        except DataError:
            tell(f"refused {reason}")
        except TransientError as error:
            tell(f"away {reason} {error}")


def change(lifecycle: Any, reason: str, request: Callable[..., Any], entry: Callable[..., Any]) -> None:
    """Whichever change the roles as they are now are ready for, upon these roles and no others."""
    history = lifecycle.history(MARKET)
    roles = history.roles
    if roles.challenger is None and roles.champion == CHAMPION and history.settled:
        # As a deployment does, but that a version can be had again.
        made = entry(MARKET, "shadow", CHALLENGER, CHAMPION, "shadow")
        if lifecycle.ledger.append(made, history.mark.number):
            lifecycle.ledger.settle(MARKET, history.mark.number + 1)
        roles = lifecycle.history(MARKET).roles
    if roles.champion == CHALLENGER:
        lifecycle.change(request("rollback", (MARKET,), CHALLENGER, reason))
    else:
        lifecycle.change(request("promote", (MARKET,), None, reason, {}, roles))
