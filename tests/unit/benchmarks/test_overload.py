"""What the overload benchmark makes of what its caller saw."""

from benchmarks.overload import Probe, figures
from benchmarks.serving.load import Seen

CALM = Seen(requests=20_000, seconds=10.0, p50_ms=50, p99_ms=100, errors=0)
FLOOD = Seen(requests=60_000, seconds=10.0, p50_ms=5, p99_ms=100, errors=45_000)
BEFORE = [Probe(at, 0.1, 200, False) for at in range(10)]


def watched(*probes: Probe) -> dict[str, float]:
    return figures(CALM, BEFORE, FLOOD, probes, seconds=10.0)


def test_answers_and_refusals_are_told_apart() -> None:
    found = watched(Probe(1, 0.15, 200, False), Probe(2, 0.01, 503, True), Probe(3, 0.01, 503, True))
    assert (round(found["p99_ratio"], 3), found["p99_refused_ms"]) == (1.5, 10.0)
    assert (round(found["refused_share"], 3), found["broken"]) == (0.667, 0)
    assert (found["capacity_per_s"], found["offered_per_s"], found["answered_per_s"]) == (2000, 6000, 1500)


def test_recovery_lasts_until_the_last_answer_that_is_refused_or_late() -> None:
    assert watched(Probe(1, 0.1, 200, False), Probe(11, 0.1, 200, False))["recovery_s"] == 0.0
    assert round(watched(Probe(1, 0.1, 200, False), Probe(11, 0.5, 200, False))["recovery_s"], 3) == 1.5
    assert round(watched(Probe(1, 0.1, 200, False), Probe(12, 0.1, 503, True))["recovery_s"], 3) == 2.1


def test_any_other_end_is_broken() -> None:
    probes = [Probe(1, 0.1, 200, False), Probe(2, 1.0, 0, False), Probe(3, 0.1, 500, False), Probe(4, 0.1, 503, False)]
    assert watched(*probes)["broken"] == 3
