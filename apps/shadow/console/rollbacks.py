"""Rollbacks asked for in the console: each goes on by itself, whether or not the page that asked is still open."""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from libs.base.errors import FitwaveError

log = logging.getLogger(__name__)


@dataclass
class Rollback:
    """One that was asked for. `outcome` is empty while it is under way."""

    champion: str
    reason: str
    outcome: str = ""
    done: bool = False
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Rollbacks:
    """The last one of each market."""

    def __init__(self, wait_s: float) -> None:
        """`wait_s`: how long whoever asks waits for the outcome."""
        self._wait_s = wait_s
        self._last: dict[str, Rollback] = {}

    def last(self, market: str) -> Rollback | None:
        """What became of the market's last one."""
        return self._last.get(market)

    async def ask(self, market: str, champion: str, reason: str, roll_back: Callable[[], tuple[str, str]]) -> Rollback:
        """Begin one, unless the market has one under way, and wait for a moment; the one that there is."""
        rollback = self._last.get(market)
        if rollback is None or rollback.task is None or rollback.task.done():
            rollback = self._last[market] = Rollback(champion, reason)
            # An empty context: Serve cancels what is called in a request's context when its client goes away.
            rollback.task = asyncio.create_task(self._run(rollback, roll_back), context=contextvars.Context())
        assert rollback.task is not None
        await asyncio.wait([rollback.task], timeout=self._wait_s)
        return rollback

    async def _run(self, rollback: Rollback, roll_back: Callable[[], tuple[str, str]]) -> None:
        try:
            old, new = await asyncio.to_thread(roll_back)
        except FitwaveError as error:
            rollback.outcome = f"Not rolled back: {error}"
        except Exception:  # the page says that there was one, the log has the traceback
            log.exception("the rollback of v%s went wrong", rollback.champion)
            rollback.outcome = "Something unforeseen went wrong; look at the ledger below, and at the replica's log."
        else:
            rollback.outcome, rollback.done = f"Rolled back: v{old} -> v{new}.", True
