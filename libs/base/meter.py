"""What one process counts and times, in memory; `metric_board` shows it to Prometheus."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values

from libs.base.metrics import METRICS, Metric

# The lines of samples in Prometheus' text format, by the name of their metric.
Lines: TypeAlias = Mapping[str, str]


class Meter:
    """The metrics of one replica, on a registry of their own, apart from what libraries register on the process's.

    To count costs about a microsecond: what a series needs is looked up once, and kept by its labels.
    """

    def __init__(self, deployment: str, replica: str) -> None:
        # NOTE: Feast, once imported, has the library keep values in files that processes share, where meters of the
        # same labels meet. Ours stay in memory.
        values.ValueClass = values.MutexValue
        self._who = (deployment, replica)
        self._registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        # By name and labels.
        self._add: dict[tuple[str, ...], Callable[[float], None]] = {}

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Count something that happened."""
        self._bound(metric, labels)(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a distribution."""
        self._bound(metric, labels)(value)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Say how something stands now."""
        self._bound(metric, labels)(value)

    def clear(self, metric: Metric) -> None:
        """Forget all series of a metric."""
        if metric.name in self._metrics:
            self._metrics[metric.name].clear()
            self._add = {key: add for key, add in self._add.items() if key[0] != metric.name}

    def lines(self) -> Lines:
        """All of it as it stands."""
        found: dict[str, list[str]] = {metric.name: [] for metric in METRICS}
        name = ""
        for line in generate_latest(self._registry).decode().splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2]
            elif name in found:  # the library tells of each series besides when it was made
                found[name].append(line)
        return {name: "\n".join(lines) for name, lines in found.items() if lines}

    def _bound(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        key = (metric.name, *labels)
        add = self._add.get(key)
        if add is None:
            add = self._add[key] = self._series(metric, labels)
        return add

    def _series(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        if metric.name not in self._metrics:
            self._metrics[metric.name] = self._made(metric)
        made, of = self._metrics[metric.name], (*labels, *self._who)
        match made:
            case Counter():
                return made.labels(*of).inc
            case Gauge():
                return made.labels(*of).set
            case Histogram():
                return made.labels(*of).observe

    def _made(self, metric: Metric) -> Counter | Gauge | Histogram:
        labels = (*metric.labels, "deployment", "replica")
        match metric.kind:
            case "counter":
                return Counter(metric.name, metric.meaning, labels, registry=self._registry)
            case "gauge":
                return Gauge(metric.name, metric.meaning, labels, registry=self._registry)
            case "histogram":
                return Histogram(metric.name, metric.meaning, labels, registry=self._registry, buckets=metric.buckets)
