"""How long a fleet of markets takes to train, beside one run per market and beside nothing but XGBoost.

`python -m benchmarks.training --markets 16 --out OUT.json --page docs/training.md`
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
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
    from libs.models.assignment import Assignment

app = App(name="training", help="Training of many markets, beside one run per market and a bare XGBoost loop.")

# Of a made-up market's 26 weeks of lines, those that are mature and have a label.
_LABELLED = 0.78
_BIG = "big"
_TINY_LINES = 1_500


@app.default
def training(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    markets: Annotated[int, Parameter(help="How many small markets.")] = 16,
    lines: Annotated[int, Parameter(help="Labelled mature lines of each of them.")] = 12_000,
    big_lines: Annotated[int, Parameter(help="Labelled mature lines of the one big market.")] = 2_000_000,
    rounds: Annotated[int, Parameter(help="How often everything is run; medians count.")] = 1,
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
) -> None:
    """Train made-up markets: many small ones and a big one."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    with installed("serving") as (environment, endpoints):
        found = _measure(environment, endpoints, {f"m{n:02}": lines for n in range(markets)}, big_lines, rounds)
    report(found, _table(found), "benchmarks.training", out, page)


def _measure(
    environment: Environment, endpoints: "Endpoints", small: dict[str, int], big_lines: int, rounds: int
) -> dict[str, Any]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from libs.base.cluster import connected
    from libs.models.examples import LEARNED, learned, read_splits
    from libs.models.fleet import train_fleet
    from libs.models.market_training import Untrained
    from libs.models.ordinal import boost, booster_data

    trainer = environment.trainer
    threads = trainer.workers * trainer.threads

    def fleet(assignments: "Sequence[Assignment]", run: str) -> float:
        fresh = [replace(one, folder=environment.home / run / one.market.name / "model") for one in assignments]
        began = time.monotonic()
        results = train_fleet(fresh, trainer)
        seconds = time.monotonic() - began
        failed = [f"{one.market}: {one.reason}" for one in results.values() if isinstance(one, Untrained)]
        if failed:
            raise DataError("; ".join(failed))
        return seconds

    def bare(assignments: "Sequence[Assignment]") -> float:
        """The same matrices, one after the other: only what XGBoost does is counted."""
        seconds = 0.0
        for one in assignments:
            matrix = learned(read_splits(one.training_path, LEARNED))
            began = time.monotonic()
            boost(booster_data(*matrix), one.market.training, threads)
            seconds += time.monotonic() - began
        return seconds

    with connected(endpoints):
        every = _assignments(environment, small | {_BIG: big_lines, "tiny0": _TINY_LINES, "tiny1": _TINY_LINES})
        tiny = [every.pop("tiny0"), replace(every.pop("tiny1"), lines=trainer.distributed_from_lines)]
        everyone, few = list(every.values()), [every[name] for name in small]
        fleet(tiny, "warm-up")  # workers are started, and libraries imported, once a cluster
        startup = median(fleet(tiny, f"start-{n}") for n in range(3))
        with peak_gib(environment.home) as peak:
            whole = [fleet(everyone, f"whole-{n}") for n in range(rounds)]
        loops = [bare(everyone) for _ in range(rounds)]
        shared = [fleet(few, f"few-{n}") for n in range(rounds)]
        apart = [sum(fleet([one], f"apart-{n}") for one in few) for n in range(rounds)]
    return {
        "fleet_vs_bare": round(median((a - startup) / b for a, b in zip(whole, loops, strict=True)), 2),
        "fleet_vs_per_market": round(median(a / b for a, b in zip(apart, shared, strict=True)), 2),
        "peak_rss_gib": round(peak[0], 2),
        "startup_s": round(startup, 1),
        "fleet_s": round(median(whole), 1),
        "bare_s": round(median(loops), 1),
        "small_fleet_s": round(median(shared), 1),
        "small_per_market_s": round(median(apart), 1),
        "labelled_lines": {one.market.name: one.lines for one in everyone},
        "machine": {"cores": os.cpu_count(), "rounds": rounds, "workers": trainer.workers, "threads": trainer.threads},
    }


def _assignments(environment: Environment, lines: dict[str, int]) -> "dict[str, Assignment]":
    from libs.features.generator.deliveries import cut_off, deliver
    from libs.features.generator.population import MarketPlan
    from libs.features.lake import Lake
    from libs.features.preprocess import Failed, preprocess
    from libs.models.assignment import Assignment

    lake = Lake.open(environment.lake)
    for seed, (name, labelled) in enumerate(lines.items()):
        count = round(labelled / _LABELLED)
        deliver(lake, MarketPlan(name, max(200, count // 8), max(80, count // 150), count // 26, seed), 0)
    configs = {name: Market(name=name) for name in lines}
    as_of = cut_off(MarketPlan("m00", 1, 1, 1, 1), 0)
    found = {}
    for name, one in preprocess(environment.lake, configs, as_of, environment.home / "run").items():
        if isinstance(one, Failed):
            raise DataError(one.reason)
        found[name] = Assignment(configs[name], one.training_path, environment.home / name, one.labelled)
    return found


def _table(found: dict[str, Any]) -> list[str]:
    bars: tuple[tuple[str, str, str, Callable[[float], bool]], ...] = (
        ("the whole fleet after start-up, of the bare loop's time", "fleet_vs_bare", "at most 1.3", lambda x: x <= 1.3),
        ("start-up of both worker groups, s", "startup_s", "at most 25", lambda x: x <= 25),
        (
            "small markets: one run per market, of the fleet's time",
            "fleet_vs_per_market",
            "at least 6",
            lambda x: x >= 6,
        ),
    )
    small = [count for name, count in found["labelled_lines"].items() if name != _BIG]
    return [
        f"{len(small)} markets of {median(small):,.0f} labelled lines and one of {found['labelled_lines'][_BIG]:,}, on "
        f"{found['machine']['cores']} cores.",
        "",
        "| | measured | bar | |",
        "|---|---|---|---|",
        *(
            f"| {meaning} | {found[name]:,} | {bar} | {'reached' if reached(found[name]) else 'missed'} |"
            for meaning, name, bar, reached in bars
        ),
        f"| the whole fleet, s | {found['fleet_s']} | | |",
        f"| nothing but XGBoost on the same matrices, s | {found['bare_s']} | | |",
        f"| the small markets as a fleet, s | {found['small_fleet_s']} | | |",
        f"| the small markets as a run each, s | {found['small_per_market_s']} | | |",
        f"| most memory of all processes together, GiB | {found['peak_rss_gib']} | | |",
    ]


if __name__ == "__main__":
    console.run(app)
