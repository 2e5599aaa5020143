"""A replica's metrics, and the thread that brings them where they are shown."""

import logging
import time

from libs.base.errors import TransientError
from libs.base.flush_thread import FlushThread
from libs.base.meter import Meter
from libs.base.metric_board import MetricBoard, page
from libs.base.metrics import REPORTED
from libs.base.telemetry import Telemetry

log = logging.getLogger(__name__)

# A replica that has said nothing for so long is gone. Many times as long as the thread rests.
_SHOWN_S = 30.0
# What a replica has said at its end is scraped once more before it is forgotten.
_LAST_SHOWN_S = 120.0


class ReplicaMetrics:
    """What this replica counts. Without telemetry nobody is told."""

    def __init__(self, deployment: str, replica: str, telemetry: Telemetry | None) -> None:
        self.meter = Meter(deployment, replica)
        self._replica = replica
        self._board = MetricBoard(telemetry.redis_url, telemetry.environment) if telemetry else None
        self._shown_s = _SHOWN_S
        self._thread: FlushThread | None = None

    def begin(self) -> None:
        """Tell every few seconds from now on."""
        self._thread = FlushThread(self._tell, "the metrics")

    def end(self) -> None:
        """Tell for the last time."""
        self._shown_s = _LAST_SHOWN_S
        if self._thread is not None:
            try:
                self._thread.close()
            except TransientError as error:
                log.warning("the last metrics of this replica are lost: %s", error)

    def page(self) -> bytes:
        """The metrics of all replicas, in Prometheus' text format; this one's are as of now."""
        own = self._lines()
        return self._board.page(self._replica, own) if self._board else page([own])

    def _tell(self) -> None:
        if self._board is not None:
            self._board.report(self._replica, self._lines(), self._shown_s)

    def _lines(self) -> dict[str, str]:
        self.meter.set(REPORTED, time.time())
        return dict(self.meter.lines())
