"""What a replica counts is written by a thread every few seconds, off the way of requests."""

import logging
import threading
from collections.abc import Callable

from libs.base.errors import TransientError

log = logging.getLogger(__name__)

_EVERY_S = 5.0


class FlushThread:
    """Calls `flush` until it is closed. One that cannot write keeps what it has, and is called again."""

    def __init__(self, flush: Callable[[], None], what: str) -> None:
        self._flush = flush
        self._what = what
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and write what is left."""
        self._stopping.set()
        self._thread.join()
        self._flush()

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            try:
                self._flush()
            except TransientError as error:
                log.warning("%s could not be written; they are kept and tried again: %s", self._what, error)
            except OSError:
                log.exception("%s could not be written; they are kept and tried again", self._what)
