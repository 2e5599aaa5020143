"""Traces: which part of a request took how long, over all deployments that had a hand in it.

Off unless an endpoint is configured, and then nothing of OpenTelemetry is loaded. A request is chosen at the gateway;
what belongs to one that is not chosen costs a look at a variable.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeAlias

from libs.base.telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext

# The span that is under way, as W3C's `traceparent` says it; empty where nothing is traced. It travels with calls.
CURRENT: ContextVar[str] = ContextVar("traceparent", default="")

Attributes: TypeAlias = Mapping[str, str | int | float]
# Notes something about the span that is under way.
Note: TypeAlias = Callable[[str, str | int | float], object]
_TRACES = "/v1/traces"


def _note_nothing(name: str, value: str | int | float) -> None:
    """See `Note`."""


def trace_id() -> str:
    """The trace that is under way, for logs; empty if there is none."""
    return CURRENT.get()[3:35]


class Tracer(Protocol):
    """What a replica traces with; `is_on` is false where it traces nothing."""

    is_on: bool

    def chooses(self, traceparent: str) -> bool:
        """Whether a request is to be traced; `traceparent` is the caller's own, if it has one."""
        ...

    def span(
        self, name: str, parent: str, links: Sequence[str] = (), attributes: Attributes | None = None
    ) -> AbstractContextManager[Note]:
        """A span for the length of a `with` block; with no parent it begins a trace."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class NoTracer:
    """Traces nothing."""

    is_on = False

    def chooses(self, traceparent: str) -> bool:
        """See `Tracer`."""
        return False

    def span(
        self, name: str, parent: str, links: Sequence[str] = (), attributes: Attributes | None = None
    ) -> AbstractContextManager[Note]:
        """See `Tracer`."""
        return nullcontext(_note_nothing)

    def close(self) -> None:
        """See `Tracer`."""


class OtlpTracer:
    """Sends spans as OTLP over HTTP, by a thread of OpenTelemetry's own."""

    is_on = True

    def __init__(self, telemetry: Telemetry, deployment: str, replica: str, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        about = {
            "service.namespace": f"fitwave-{telemetry.environment}",
            "service.name": deployment,
            "service.instance.id": replica,
        }
        self._share = telemetry.traced_share
        # Who is chosen is decided here, and not by what the caller's `traceparent` says of others.
        self._provider = TracerProvider(resource=Resource.create(about), sampler=ALWAYS_ON)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("fitwave")

    def chooses(self, traceparent: str) -> bool:
        """By the caller's trace id, so that a trace is whole or not at all; else by lot.

        The caller's own flag is not heeded: whoever has a key could have everything traced.
        """
        try:
            drawn = int(traceparent[21:35], 16) if traceparent else random.getrandbits(56)
        except ValueError:
            drawn = random.getrandbits(56)
        return drawn < self._share * 2**56

    @contextmanager
    def span(
        self, name: str, parent: str, links: Sequence[str] = (), attributes: Attributes | None = None
    ) -> Iterator[Note]:
        """See `Tracer`. An exception that passes through is noted, and passes on."""
        from opentelemetry.trace import Link

        others = [Link(context) for context in map(_context_of, links) if context.is_valid]
        with self._tracer.start_as_current_span(name, _extracted(parent), attributes=attributes, links=others) as span:
            token = CURRENT.set(_traceparent(span))
            try:
                yield span.set_attribute
            finally:
                CURRENT.reset(token)

    def close(self) -> None:
        """See `Tracer`."""
        self._provider.shutdown()


def tracer_of(telemetry: Telemetry, deployment: str, replica: str) -> Tracer:
    """The tracer that is configured."""
    if telemetry.otlp_endpoint is None:
        return NoTracer()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    endpoint = telemetry.otlp_endpoint.rstrip("/").removesuffix(_TRACES) + _TRACES
    return OtlpTracer(telemetry, deployment, replica, OTLPSpanExporter(endpoint=endpoint))


def _extracted(traceparent: str) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # Into an empty one: what the parent is, is said, and not found in the surroundings.
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())


def _context_of(traceparent: str) -> "SpanContext":
    from opentelemetry.trace import get_current_span

    return get_current_span(_extracted(traceparent)).get_span_context()


def _traceparent(span: "Span") -> str:
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-01"
