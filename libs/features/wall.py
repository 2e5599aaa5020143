"""The wall between markets: what happens to one may not take its neighbours' week with it."""

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from libs.base.errors import FitwaveError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """Why a piece of a market's work failed."""

    reason: str


def walled(market: str, work: Callable[[], T]) -> T | Fault:
    """What the work comes to, or why it failed, whatever the reason."""
    try:
        return work()
    except FitwaveError as error:
        return Fault(str(error))
    # A bug or a broken file met by one market: its own week ends with it, and the log has all of it.
    except Exception as error:
        log.exception("market %s", market)
        return Fault(f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}")
