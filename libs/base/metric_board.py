"""Where the metrics of all processes of an environment meet: in Redis, from where any gateway shows them as one page.

So one scrape at one address has all of it, through whatever balances the gateways, and Prometheus need not know how
many replicas there are, or where. What a job says at its end is kept, so that it can be scraped when the job is gone.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import cast

import msgspec
import redis
from prometheus_client import CONTENT_TYPE_LATEST

from libs.base.errors import TransientError
from libs.base.meter import Lines
from libs.base.metrics import COMPLETE, METRICS, Metric
from libs.base.redis_lock import answering
from libs.base.redis_url import connect

MEDIA_TYPE = CONTENT_TYPE_LATEST

_TIMEOUT_S = 1.0
_SEPARATOR = "\x1f"


class _Report(msgspec.Struct, frozen=True, array_like=True):
    """A replica's lines, to be shown until then."""

    until: float
    lines: dict[str, str]


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Report).decode


class MetricBoard:
    """One environment's metrics. Every method raises TransientError if Redis is away."""

    def __init__(self, redis_url: str, environment: str, clock: Callable[[], float] = time.time) -> None:
        self._url = redis_url
        self._reports = f"fitwave:{{{environment}}}:metrics"
        self._kept = f"fitwave:{{{environment}}}:kept-metrics"
        self._clock = clock

    @cached_property
    def _redis(self) -> redis.Redis:
        # Not before it is used: a Cluster is asked at once, and no replica is to wait for that.
        return connect(self._url, _TIMEOUT_S)

    def report(self, replica: str, lines: Lines, for_s: float) -> None:
        """Show what a replica has counted, for so long unless it says more."""
        with answering():
            self._redis.hset(self._reports, mapping={replica: _ENCODE(_Report(self._clock() + for_s, dict(lines)))})

    def keep(self, metric: Metric, value: float, *labels: str) -> None:
        """Say how something stands, until somebody says otherwise."""
        with answering():
            self._redis.hset(self._kept, _field(metric, labels), repr(value))

    def count(self, metric: Metric, *labels: str) -> None:
        """Count something that happened."""
        with answering():
            self._redis.hincrbyfloat(self._kept, _field(metric, labels), 1.0)

    def keep_each(self, metric: Metric, values: Mapping[str, float], *labels: str) -> None:
        """The same for several values of the last label."""
        fields = {_field(metric, (*labels, name)): repr(float(value)) for name, value in values.items()}
        with answering():
            self._redis.hset(self._kept, mapping=fields)

    def reports(self) -> dict[str, Lines]:
        """What replicas have told, by replica. One that has said nothing for long is forgotten."""
        with answering():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(self._reports))
        told = {replica.decode(): _DECODE(value) for replica, value in found.items()}
        now = self._clock()
        gone = [replica for replica, one in told.items() if one.until < now]
        if gone:
            with answering():
                self._redis.hdel(self._reports, *gone)
        return {replica: one.lines for replica, one in told.items() if one.until >= now}

    def kept(self) -> Lines:
        """What is kept, as lines."""
        with answering():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(self._kept))
        by_name = {metric.name: metric for metric in METRICS}
        lines: dict[str, list[str]] = {}
        for field, value in sorted(found.items()):
            name, *labels = field.decode().split(_SEPARATOR)
            metric = by_name.get(name)
            if metric is not None and len(labels) == len(metric.labels):
                lines.setdefault(name, []).append(_line(metric, labels, float(value)))
        return {name: "\n".join(one) for name, one in lines.items()}

    def page(self, replica: str, own: Lines) -> bytes:
        """The page for Prometheus: this replica's lines as they are now, the others' as they were last told.

        While Redis is away it has this replica's alone, and says so.
        """
        try:
            sources = [self.kept(), *(self.reports() | {replica: own}).values()]
        except TransientError:
            return page([own, {COMPLETE.name: _line(COMPLETE, (), 0.0)}])
        return page([*sources, {COMPLETE.name: _line(COMPLETE, (), 1.0)}])


def page(sources: Iterable[Lines]) -> bytes:
    """All lines of all sources, in Prometheus' text format: each metric once, with its type and meaning."""
    sources = list(sources)
    parts = []
    for metric in METRICS:
        lines = [source[metric.name] for source in sources if metric.name in source]
        if lines:
            parts += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {metric.kind}", *lines]
    return ("\n".join(parts) + "\n").encode()


def _field(metric: Metric, labels: Iterable[str]) -> str:
    return _SEPARATOR.join((metric.name, *labels))


def _line(metric: Metric, labels: Iterable[str], value: float) -> str:
    named = ",".join(f'{name}="{_escaped(text)}"' for name, text in zip(metric.labels, labels, strict=True))
    return f"{metric.name}{{{named}}} {value!r}" if named else f"{metric.name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
