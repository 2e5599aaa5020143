"""A tracer whose spans stay in memory."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.base.telemetry import Telemetry
from libs.base.tracing import OtlpTracer

# A caller's; the trace's end is so low that it is chosen, whatever the share.
TRACE_ID = f"{'f17e' * 4}00{'0' * 13}1"
TRACEPARENT = f"00-{TRACE_ID}-{'1' * 16}-00"


class MemoryTracer(OtlpTracer):
    """Keeps what it would send."""

    def __init__(self, share: float = 0.1) -> None:
        self._sent = InMemorySpanExporter()
        super().__init__(Telemetry("test", "", "http://127.0.0.1:1", share), "Gateway", "r1", self._sent)

    def spans(self) -> dict[str, ReadableSpan]:
        """Those that have ended, by name."""
        self._provider.force_flush()
        return {span.name: span for span in self._sent.get_finished_spans()}
