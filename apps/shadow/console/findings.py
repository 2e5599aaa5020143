"""What takes its time to find out, kept for a while: no page waits long for it, and no visitor can ask for it often."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from libs.base.errors import FitwaveError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """What was found out last: a value, or the fault that there was instead; neither before the first time.

    `busy`: it is being found out anew.
    """

    value: T | None = None
    fault: str | None = None
    at: datetime | None = None
    busy: bool = False


class Findings(Generic[T]):
    """One finding a name. All are worked on in one thread, one after the other: matplotlib's settings are global."""

    def __init__(self, keep_s: float, worker: ThreadPoolExecutor, wait_s: float) -> None:
        """`keep_s`: how soon at the earliest a name is looked into again; `wait_s`: how long to wait for it."""
        self._keep_s, self._worker, self._wait_s = keep_s, worker, wait_s
        self._found: dict[str, tuple[float, Found[T]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def of(self, name: str, find: Callable[[], T]) -> Found[T]:
        """What is known of a name; it is looked into once more if that is old, and waited for for a moment."""
        looked_at, _ = self._found.get(name, (None, None))
        if name not in self._tasks and (looked_at is None or time.monotonic() - looked_at >= self._keep_s):
            # An empty context: Serve cancels what is called in a request's context when its client goes away.
            task = asyncio.create_task(self._look(name, find), context=contextvars.Context())
            self._tasks[name] = task
        if name in self._tasks:
            await asyncio.wait([self._tasks[name]], timeout=self._wait_s)
        return self.last(name)

    def last(self, name: str) -> Found[T]:
        """What is known already."""
        _, found = self._found.get(name, (0.0, Found[T]()))
        return Found(found.value, found.fault, found.at, busy=name in self._tasks)

    def forget(self, name: str) -> None:
        """Look into it anew the next time: what it is about has changed."""
        self._found.pop(name, None)

    async def _look(self, name: str, find: Callable[[], T]) -> None:
        value, fault = None, None
        try:
            value = await asyncio.get_running_loop().run_in_executor(self._worker, find)
        except FitwaveError as error:
            fault = str(error)
        except Exception:  # the page says that there was one, the log has the traceback
            log.exception("%s could not be looked into", name)
            fault = "Something unforeseen went wrong; the log of the console's replica has it."
        finally:
            self._tasks.pop(name, None)
        self._found[name] = (time.monotonic(), Found(value, fault, datetime.now(UTC)))
