"""From measurements to what is said of them: medians over rounds, ratios between arms of the same run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.serving.load import Seen

FITWAVE, MIRRORED, MONOLITH, UNCACHED = "fitwave", "fitwave_mirrored", "monolith", "monolith_uncached"
BENTOML, NAIVE, EMPTY = "bentoml", "naive", "empty_gateway"
ARMS = (FITWAVE, MIRRORED, MONOLITH, UNCACHED, BENTOML, NAIVE, EMPTY)
CONNECTIONS = (1, 8, 32, 128)
# Of an arm that was asked about so many articles at once.
MANY = 24


@dataclass(frozen=True)
class Bar:
    """What a ratio has to reach."""

    ratio: str
    meaning: str
    bound: float
    at_least: bool

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


BARS = (
    Bar("throughput_vs_monolith", "requests/s at 128 connections, of the monolith's", 2.0, at_least=True),
    Bar("throughput_vs_bentoml", "requests/s at 128 connections, of BentoML's", 5.0, at_least=True),
    Bar("throughput_vs_naive", "requests/s at 128 connections, of the naive composition's", 10.0, at_least=True),
    Bar("p50_1conn_vs_monolith", "p50 at 1 connection, of the monolith's", 2.5, at_least=False),
    Bar("shadow_throughput_cost", "requests/s lost at 128 connections when 20 % are mirrored", 0.15, at_least=False),
    Bar("shadow_p50_cost", "p50 added at 1 connection when 20 % are mirrored", 0.05, at_least=False),
    Bar("articles24_vs_1_latency", "p50 of 24 articles in one call, of that of one", 2.0, at_least=False),
    Bar("p99_vs_p50_32conn", "p99 at 32 connections, of p50", 4.0, at_least=False),
    Bar("errors", "failed requests of Fitwave", 0, at_least=False),
)

# By arm and connections the measurements of each round, in order.
Measured = Mapping[str, Mapping[int, Sequence[Seen]]]


def medians(measured: Measured) -> dict[str, dict[str, dict[str, float]]]:
    """Per arm and connections the median of each figure over the rounds; errors are added up."""
    return {
        arm: {
            str(connections): {
                "requests_per_s": round(median(one.per_s for one in rounds), 1),
                "p50_ms": round(median(one.p50_ms for one in rounds), 2),
                "p99_ms": round(median(one.p99_ms for one in rounds), 2),
                "errors": sum(one.errors for one in rounds),
            }
            for connections, rounds in by_connections.items()
        }
        for arm, by_connections in measured.items()
    }


@dataclass(frozen=True)
class Alone:
    """Further measurements at one connection, where latencies are all there is.

    `many`: questions of 24 articles, once a round. `mirrored`, `unmirrored`: the same deployment asked about everyone,
    of whom 20 % are mirrored, and about the others alone, in turns of a second: from minute to minute a machine's own
    pace changes by more than is measured.
    """

    many: Sequence[Seen]
    mirrored: Sequence[Seen]
    unmirrored: Sequence[Seen]


def ratios(measured: Measured, alone: Alone) -> dict[str, float]:
    """The ratios of `BARS`: each the median over rounds, or turns, of the ratio within one."""

    def within(arm: str, other: str, connections: int, figure: str) -> float:
        pairs = zip(measured[arm][connections], measured[other][connections], strict=True)
        return float(median(getattr(one, figure) / getattr(two, figure) for one, two in pairs))

    one_article = measured[FITWAVE][1]
    turns = zip(alone.mirrored, alone.unmirrored, strict=True)
    found = {
        "throughput_vs_monolith": within(FITWAVE, MONOLITH, 128, "per_s"),
        "throughput_vs_monolith_uncached": within(FITWAVE, UNCACHED, 128, "per_s"),
        "throughput_vs_bentoml": within(FITWAVE, BENTOML, 128, "per_s"),
        "throughput_vs_naive": within(FITWAVE, NAIVE, 128, "per_s"),
        "throughput_vs_empty_gateway": within(FITWAVE, EMPTY, 128, "per_s"),
        "p50_1conn_vs_monolith": within(FITWAVE, MONOLITH, 1, "p50_ms"),
        "shadow_throughput_cost": 1 - within(MIRRORED, FITWAVE, 128, "per_s"),
        "shadow_p50_cost": median(with_.p50_ms / without.p50_ms for with_, without in turns) - 1,
        "articles24_vs_1_latency": median(a.p50_ms / b.p50_ms for a, b in zip(alone.many, one_article, strict=True)),
        "p99_vs_p50_32conn": median(one.p99_ms / one.p50_ms for one in measured[FITWAVE][32]),
        "errors": sum(one.errors for arm in (FITWAVE, MIRRORED) for seen in measured[arm].values() for one in seen),
    }
    return {name: round(value, 3) for name, value in found.items()}


def document(measured: Measured, alone: Alone, machine: Mapping[str, Any]) -> dict[str, Any]:
    """What is written as JSON: ratios at the top, medians by arm, and every measurement."""
    rounds = {
        arm: {str(connections): [asdict(one) for one in seen] for connections, seen in by_connections.items()}
        for arm, by_connections in measured.items()
    }
    return {
        **ratios(measured, alone),
        "medians": medians(measured),
        "articles24_p50_ms": [one.p50_ms for one in alone.many],
        "mirrored_p50_ms": [one.p50_ms for one in alone.mirrored],
        "unmirrored_p50_ms": [one.p50_ms for one in alone.unmirrored],
        "rounds": rounds,
        "machine": dict(machine),
    }
