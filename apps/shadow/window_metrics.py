"""How a market's window stands, for whoever watches."""

import logging
import time
from datetime import datetime

from apps.shadow.verdict import Verdict
from libs.base.errors import TransientError
from libs.base.metric_board import MetricBoard
from libs.base.metrics import SHADOW_JUDGED, SHADOW_OPENED, SHADOW_VERDICT
from libs.models.lifecycle import Lifecycle

log = logging.getLogger(__name__)

_NOT_SHADOWED = "none"
DECISIONS = ("promote", "reject", "extend", _NOT_SHADOWED)


def tell(lifecycle: Lifecycle, market: str, verdict: Verdict | None) -> None:
    """Tell the verdict on a market's window, or that there is none, once it has been acted upon.

    What has been decided is worth more than what is told of it: where Redis is away, the log says so.
    """
    roles, decided = lifecycle.history(market).roles, verdict.decision if verdict else _NOT_SHADOWED
    opened = datetime.fromisoformat(roles.since).timestamp() if roles.challenger and roles.since else 0.0
    board = MetricBoard(lifecycle.endpoints.redis_url, lifecycle.environment.name)
    try:
        board.keep_each(SHADOW_VERDICT, {one: float(one == decided) for one in DECISIONS}, market)
        board.keep(SHADOW_OPENED, opened, market)
        if verdict is not None:
            board.keep(SHADOW_JUDGED, time.time(), market)
    except TransientError as error:
        log.warning("the metrics of market %s's window are not told: %s", market, error)
