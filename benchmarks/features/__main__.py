"""How fast lines become features and features come online, how that grows, and how much memory it takes.

`python -m benchmarks.features --lines 10000000 --out OUT.json --page docs/data.md`
"""

import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.marks import report
from benchmarks.memory import peak_gib
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError
from libs.base.market import Market

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints

app = App(name="features", help="Preprocessing and refresh, beside single-process code and plain Feast.")

_MARKETS = ("m0", "m1", "m2", "m3")
_TINY_LINES = 4_000
# What `--lines` is measured beside, for the growth.
_SHARES = (0.1, 0.3, 1.0)
_FEAST_ROWS = 30_000


@dataclass(frozen=True)
class Run:
    """One lake through the product and through one process with whole markets in memory."""

    lines: int
    seconds: float
    peak_gib: float
    alone_seconds: float | None
    alone_peak_gib: float | None


@app.default
def features(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    lines: Annotated[int, Parameter(help="Order lines of the largest lake.")] = 10_000_000,
    rounds: Annotated[int, Parameter(help="How often each lake is run; medians count.")] = 1,
    alone: Annotated[bool, Parameter(help="Whether the single process runs too; it needs memory for a market.")] = True,
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
) -> None:
    """Preprocess made-up lakes of a tenth, three tenths and all of so many lines, and refresh the largest."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if lines < 100_000:
        raise DataError("--lines must be 100000 or more: a tenth of less is over before it has begun")
    with installed("serving") as (environment, endpoints):
        found = _measure(environment, endpoints, lines, rounds, alone=alone)
    report(found, _table(found), "benchmarks.features", out, page)


def _measure(
    environment: Environment, endpoints: "Endpoints", lines: int, rounds: int, *, alone: bool
) -> dict[str, Any]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.features.alone import run_alone
    from benchmarks.features.plain_feast import feast_rows_per_s
    from libs.base.cluster import connected
    from libs.features.generator.deliveries import cut_off, deliver
    from libs.features.generator.population import MarketPlan
    from libs.features.lake import Lake
    from libs.features.preprocess import Failed, Prepared, preprocess
    from libs.features.refresh import Destination, Refreshed, refresh

    markets = {name: Market(name=name) for name in _MARKETS}
    as_of = cut_off(MarketPlan("m0", 1, 1, 1, 1), 0)
    folder = environment.home / "run"

    def lake(count: int) -> str:
        each = count // len(_MARKETS)
        path = environment.home / f"lake-{count}"
        for seed, name in enumerate(_MARKETS):
            deliver(Lake.open(str(path)), MarketPlan(name, each // 8, max(200, each // 150), each // 26, seed), 0)
        return str(path)

    def product(uri: str) -> tuple[float, float, list[Prepared]]:
        with peak_gib(environment.home) as peak:
            began = time.monotonic()
            weeks = preprocess(uri, markets, as_of, folder).values()
            seconds = time.monotonic() - began
        failed = [week.reason for week in weeks if isinstance(week, Failed)]
        if failed:
            raise DataError("; ".join(failed))
        return seconds, peak[0], [week for week in weeks if isinstance(week, Prepared)]

    def measured(uri: str, count: int) -> tuple[Run, list[Prepared]]:
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(product(uri))
            theirs += [run_alone(uri, _MARKETS, environment.home / "alone")] if alone else []
        run = Run(
            lines=count,
            seconds=round(median(one[0] for one in ours), 2),
            peak_gib=round(max(one[1] for one in ours), 2),
            alone_seconds=round(median(one.seconds for one in theirs), 2) if theirs else None,
            alone_peak_gib=round(max(one.peak_gib for one in theirs), 2) if theirs else None,
        )
        print(run, flush=True)
        return run, ours[-1][2]

    with connected(endpoints):
        tiny = lake(_TINY_LINES)
        product(tiny)  # workers are started, and libraries imported, once a cluster
        startup = median(product(tiny)[0] for _ in range(3))
        runs = []
        for share in _SHARES:
            run, prepared = measured(lake(int(lines * share)), int(lines * share))
            runs.append(run)
        destination = Destination(environment.name, environment.home, endpoints.redis_url)
        refresh(destination, prepared[:1])
        began = time.monotonic()
        done = [one for one in refresh(destination, prepared[1:]).values() if isinstance(one, Refreshed)]
        refresh_per_s = sum(one.written for one in done) / (time.monotonic() - began)
    feast_per_s = feast_rows_per_s(environment, endpoints, prepared[0].customers_path, _FEAST_ROWS)
    largest = runs[-1]
    return {
        "lines_per_s": round(largest.lines / (largest.seconds - startup)),
        "vs_polars": round(largest.seconds / largest.alone_seconds, 2) if largest.alone_seconds else None,
        "growth_exponent": round(_growth([(one.lines, one.seconds - startup) for one in runs]), 3),
        "peak_rss_gib": max(one.peak_gib for one in runs),
        "startup_s": round(startup, 2),
        "refresh_rows_per_s": round(refresh_per_s),
        "refresh_vs_feast_materialize": round(refresh_per_s / feast_per_s, 2),
        "runs": [asdict(one) for one in runs],
        "machine": {"cores": os.cpu_count(), "rounds": rounds, "markets": len(_MARKETS)},
    }


def _growth(points: list[tuple[int, float]]) -> float:
    """The exponent with which seconds grow in lines: the slope of a line through their logarithms."""
    x, y = ([math.log(value) for value in values] for values in zip(*points, strict=True))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in x)


def _table(found: dict[str, Any]) -> list[str]:
    rows = [
        f"| {run['lines']:,} | {run['seconds']} | {run['peak_gib']} | {run['alone_seconds'] or '-'} "
        f"| {run['alone_peak_gib'] or '-'} |"
        for run in found["runs"]
    ]
    bars = (
        ("order lines a second after start-up", "lines_per_s", "at least 300,000"),
        ("time, of a single process that holds whole markets", "vs_polars", "at most 4"),
        ("exponent of time in lines", "growth_exponent", "at most 1.05"),
        ("most memory of all processes together, GiB", "peak_rss_gib", "at most 8"),
        ("start-up, s", "startup_s", ""),
        ("rows brought online a second", "refresh_rows_per_s", "at least 25,000"),
        ("that, of plain Feast materialization's", "refresh_vs_feast_materialize", "at least 2"),
    )
    return [
        "| order lines | s | peak GiB | single process, s | its peak GiB |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "| | measured | bar |",
        "|---|---|---|",
        *(f"| {meaning} | {found[name]:,} | {bar} |" for meaning, name, bar in bars if found[name] is not None),
    ]


if __name__ == "__main__":
    console.run(app)
