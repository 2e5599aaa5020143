"""A metric board in memory."""

from collections.abc import Mapping

from libs.base.errors import TransientError
from libs.base.metrics import Metric


class Board:
    """Keeps what it is told, by the metric's name and labels, or cannot be reached."""

    def __init__(self, away: bool = False) -> None:
        self.away = away
        self.told: dict[tuple[str, ...], float] = {}

    def keep(self, metric: Metric, value: float, *labels: str) -> None:
        if self.away:
            raise TransientError("Redis does not answer")
        self.told[(metric.name, *labels)] = value

    def keep_each(self, metric: Metric, values: Mapping[str, float], *labels: str) -> None:
        for name, value in values.items():
            self.keep(metric, value, *labels, name)

    def count(self, metric: Metric, *labels: str) -> None:
        self.keep(metric, self.told.get((metric.name, *labels), 0) + 1, *labels)
