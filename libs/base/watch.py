"""What a replica renews in the background, so that no request waits for where it comes from."""

import asyncio
import logging
from abc import ABC, abstractmethod

from libs.base.errors import FitwaveError

log = logging.getLogger(__name__)


class Watch(ABC):
    """Renews a copy again and again, and keeps the last one while its source is away."""

    def __init__(self, source: str) -> None:
        """`source`: what the log calls where the copy comes from."""
        self._source = source
        self._away = False
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def _renew(self) -> None:
        """Take a new copy.

        Raises:
            FitwaveError: there is none now.
        """

    @abstractmethod
    async def _rest(self) -> None:
        """Wait until another one is due."""

    def begin(self) -> None:
        """Begin, unless it is under way.

        Called with each request: Serve makes deployments outside of the event loop's tasks, and should the watch ever
        have ended, a copy that nobody renews would never hear of a revocation.
        """
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self) -> None:
        while True:
            try:
                await self._renew()
            except FitwaveError as error:
                if not self._away:  # once per outage, not each time
                    log.warning("%s: %s; the last known ones stay in use", self._source, error)
                self._away = True
            else:
                self._away = False
            finally:
                self._tried.set()
            await self._rest()
