"""Traces: who is chosen, who belongs to whom, and that nothing is loaded while they are off."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from libs.base.environment import REPOSITORY
from libs.base.telemetry import Telemetry
from libs.base.tracing import CURRENT, NoTracer, trace_id, tracer_of
from tests.traces import TRACE_ID, TRACEPARENT, MemoryTracer


@pytest.fixture
def tracer() -> Iterator[MemoryTracer]:
    made = MemoryTracer()
    yield made
    made.close()


def test_a_span_belongs_to_the_callers_trace_and_what_is_in_it_to_the_span(tracer: MemoryTracer) -> None:
    with tracer.span("gateway", TRACEPARENT, attributes={"fitwave.request_id": "r"}) as note:
        note("http.response.status_code", 200)
        assert trace_id() == TRACE_ID
        travels = CURRENT.get()
    assert CURRENT.get() == ""
    with tracer.span("recommend", travels):
        pass
    found = tracer.spans()
    gateway, recommend = found["gateway"], found["recommend"]
    assert gateway.parent is not None and f"{gateway.parent.span_id:016x}" == "1" * 16
    assert gateway.attributes == {"fitwave.request_id": "r", "http.response.status_code": 200}
    assert recommend.parent is not None and recommend.parent.span_id == gateway.context.span_id
    assert f"{recommend.context.trace_id:032x}" == TRACE_ID
    assert gateway.resource.attributes["service.name"] == "Gateway"
    assert gateway.resource.attributes["service.namespace"] == "fitwave-test"


def test_what_goes_on_after_the_customers_answer_is_a_trace_of_its_own_that_is_linked(tracer: MemoryTracer) -> None:
    with tracer.span("recommend", TRACEPARENT):
        recommend = CURRENT.get()
    with tracer.span("mirror", "", [recommend]):
        pass
    found = tracer.spans()
    [link] = found["mirror"].links
    assert found["mirror"].parent is None
    assert found["mirror"].context.trace_id != found["recommend"].context.trace_id
    assert link.context.span_id == found["recommend"].context.span_id


def test_an_exception_is_noted_and_passes_on(tracer: MemoryTracer) -> None:
    with pytest.raises(ValueError, match="no"), tracer.span("score", TRACEPARENT):
        raise ValueError("no")
    assert not tracer.spans()["score"].status.is_ok


def test_who_is_chosen_is_decided_by_the_trace_and_not_by_what_its_caller_asks_for(tracer: MemoryTracer) -> None:
    low, high = f"00-{'1' * 18}{'0' * 14}-{'2' * 16}-00", f"00-{'1' * 18}{'f' * 14}-{'2' * 16}-01"
    assert tracer.chooses(low)
    assert not tracer.chooses(high)
    chosen = sum(tracer.chooses("") for _ in range(5000))
    assert 300 < chosen < 700
    for nonsense in ("x", "00-zz", "00-" + "g" * 32 + "-1-01"):
        tracer.chooses(nonsense)


def test_a_caller_that_sends_nonsense_begins_a_trace(tracer: MemoryTracer) -> None:
    with tracer.span("gateway", "00-nonsense"):
        pass
    assert tracer.spans()["gateway"].parent is None


def test_while_it_is_off_nothing_is_traced_and_nothing_of_opentelemetry_is_loaded() -> None:
    off = tracer_of(Telemetry("test", "redis://127.0.0.1:1"), "Gateway", "r1")
    assert isinstance(off, NoTracer)
    assert not off.is_on and not off.chooses(TRACEPARENT)
    with off.span("recommend", TRACEPARENT) as note:
        note("a", 1)
        assert CURRENT.get() == ""
    code = (
        "import sys; from libs.base.telemetry import Telemetry; from libs.base.tracing import tracer_of;"
        "tracer_of(Telemetry('test', ''), 'Gateway', 'r1');"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
