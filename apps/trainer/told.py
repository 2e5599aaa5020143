"""To whom the weekly job says what it does: people at a terminal, or a log that machines read too."""

import logging
from collections.abc import Iterable
from typing import Protocol

from rich.console import Console

from apps.trainer.report import print_weeks
from apps.trainer.week import MarketWeek
from libs.base.logs import log_as_json
from libs.base.progress import Lines, Progress, progress_on

log = logging.getLogger(__name__)


class Told(Protocol):
    """Who is told."""

    progress: Progress

    def notify(self, message: str) -> None:
        """What is done now."""
        ...

    def weeks(self, weeks: Iterable[MarketWeek]) -> None:
        """What the weeks came to."""
        ...


class ToPeople:
    """Tells it with colours, bars and a table."""

    def __init__(self) -> None:
        self._console = Console()
        self.progress: Progress = progress_on(self._console)

    def notify(self, message: str) -> None:
        """See `Told`."""
        self._console.log(message)

    def weeks(self, weeks: Iterable[MarketWeek]) -> None:
        """See `Told`."""
        print_weeks(self._console, weeks)


class ToLog:
    """Tells it as lines of JSON, each with the environment and the job."""

    def __init__(self, environment: str, job: str) -> None:
        log_as_json({"environment": environment, "job": job})
        self.progress: Progress = Lines(log.info)

    def notify(self, message: str) -> None:
        """See `Told`."""
        log.info("%s", message)

    def weeks(self, weeks: Iterable[MarketWeek]) -> None:
        """See `Told`."""
        for week in weeks:
            about = {"market": week.market, "outcome": week.outcome, "stage": week.stage, "version": week.version}
            reason = f": {week.reason}" if week.reason else ""
            log.info("%s %s at %s%s", week.market, week.outcome, week.stage, reason, extra=about)
