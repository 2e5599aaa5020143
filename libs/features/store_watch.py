"""Whether the online store answers, for those who cannot wait to find out."""

import logging
import threading
import time
from collections.abc import Callable

from libs.base.errors import TransientError

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25


class StoreWatch:
    """Once somebody has waited in vain nobody else does: a thread asks the store until it answers again."""

    def __init__(self) -> None:
        self._away = False

    @property
    def is_away(self) -> bool:
        """Whether the store is known to be away."""
        return self._away

    def lost(self, why: str, ask: Callable[[], object]) -> None:
        """The store did not answer; `ask` raises TransientError until it does."""
        if self._away:
            return
        self._away = True
        log.warning("%s; answers rest on what was read before until it is back", why)
        threading.Thread(target=self._wait, args=(ask,), daemon=True).start()

    def _wait(self, ask: Callable[[], object]) -> None:
        begin = time.monotonic()
        try:
            while _is_away(ask):
                time.sleep(_LOOK_EVERY_S)
        finally:
            # Also if asking failed in a way that nobody foresaw: the next request finds out.
            self._away = False
        log.warning("the online feature store is back after %.1f s", time.monotonic() - begin)


def _is_away(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except TransientError:
        return True
    return False
