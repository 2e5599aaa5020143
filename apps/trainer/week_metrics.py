"""What a weekly job says of itself to whoever watches, kept where it can be scraped when the job is gone."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from apps.trainer.week import MarketWeek
from libs.base.errors import TransientError
from libs.base.metric_board import MetricBoard
from libs.base.metrics import (
    FEATURES_COVERAGE,
    WEEK_BEGAN,
    WEEK_ENDED,
    WEEK_FAILURES,
    WEEK_OUTCOMES,
    WEEK_STAGE_SECONDS,
    WEEK_SUCCEEDED,
)

log = logging.getLogger(__name__)


class WeekMetrics:
    """The metrics of one run. A week is worth more than what is told of it: where Redis is away, the log says so."""

    def __init__(self, board: MetricBoard, clock: Callable[[], float] = time.time) -> None:
        self._board = board
        self._clock = clock
        self._at = "begin"

    def began(self, markets: Iterable[str]) -> None:
        """The job of these markets has begun."""
        with _telling():
            for market in markets:
                self._board.keep(WEEK_BEGAN, self._clock(), market)

    @contextmanager
    def stage(self, name: str, markets: Iterable[str]) -> Iterator[None]:
        """A stage for the length of a `with` block, which the markets share."""
        self._at, begin = name, self._clock()
        try:
            yield
        finally:
            with _telling():
                for market in markets:
                    self._board.keep(WEEK_STAGE_SECONDS, self._clock() - begin, market, name)

    def ended(self, week: MarketWeek) -> None:
        """A market's week has come to something."""
        now = self._clock()
        with _telling():
            self._board.keep(WEEK_ENDED, now, week.market)
            self._board.count(WEEK_OUTCOMES, week.market, week.outcome)
            if week.outcome == "failed":
                # Without a reason of its own it was cut off, together with all others of the run.
                self._board.count(WEEK_FAILURES, week.market, week.stage if week.reason else self._at)
            else:
                self._board.keep(WEEK_SUCCEEDED, now, week.market)
            if week.refreshed is not None:
                self._board.keep(FEATURES_COVERAGE, week.refreshed.coverage, week.market)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except TransientError as error:
        log.warning("the metrics of the week are not told: %s", error)
