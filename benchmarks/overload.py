"""What becomes of requests when three times as many come as can be answered.

`python -m benchmarks.overload --out OUT.json --page docs/performance.md`
"""

import asyncio
import random
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import numpy as np
from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.marks import report
from benchmarks.serving.load import Seen, Target, load, require_wrk
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints

app = App(name="overload", help="Answers, refusals and their latencies at three times the capacity.")

_TIMES = 3
# What capacity is: as many connections as the serving benchmark's fullest.
_CONNECTIONS = 128
_CALM_S = 20.0
# How long a connection of the flood rests: so long that an answer's time does not matter to how many it asks.
_REST_S = 0.5
_QUESTIONS = 50_000
_AFTER_S = 10.0
# One caller among the others, whose answers are looked at one by one.
_PROBES_PER_S = 50
_BARS = {"p99_ratio": 2.0, "recovery_s": 5.0, "broken": 0.0}


@dataclass(frozen=True)
class Probe:
    """One request: when it was sent, how long its answer took, what it said (0: none came), and whether a refusal said
    when to come back.
    """

    at: float
    seconds: float
    status: int
    says_when: bool


@app.default
def overload(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
    seconds: Annotated[float, Parameter(help="How long the flood lasts.")] = 60.0,
) -> None:
    """Measure the capacity, send three times as much for a while, and watch a caller before, during and after."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if seconds <= 0:
        raise DataError("--seconds must be positive")
    require_wrk()
    with installed("serving") as (environment, endpoints):
        found = _run(environment, endpoints, seconds)
    report(found, _table(found), "benchmarks.overload", out, page)


def _run(environment: Environment, endpoints: "Endpoints", seconds: float) -> dict[str, Any]:
    # Only now: this imports Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.serving.stage import set_up

    stage = set_up(environment, endpoints)
    target = stage.target(_QUESTIONS)
    stage.deploy(mirrored=False)
    load(target, _CONNECTIONS, _CALM_S / 4)
    calm, before = _watched(target, _CALM_S, lambda: load(target, _CONNECTIONS, _CALM_S))
    flood = int(_TIMES * calm.per_s * _REST_S)
    flooded, during = _watched(target, seconds + _AFTER_S, lambda: load(target, flood, seconds, _REST_S))
    return figures(calm, before, flooded, during, seconds)


def figures(
    calm: Seen, before: Sequence[Probe], flooded: Seen, watched: Sequence[Probe], seconds: float
) -> dict[str, Any]:
    """The figures of a run, whose flood lasted so many seconds of `watched`."""
    during = [one for one in watched if one.at < seconds]
    accepted, refused = ([one for one in during if one.status == status] for status in (200, 503))
    normal = _percentile(before, 99)
    late = [one.at + one.seconds for one in watched if one.status != 200 or one.seconds > normal]
    return {
        "capacity_per_s": calm.per_s,
        "offered_per_s": flooded.requests / flooded.seconds,
        "answered_per_s": flooded.per_s,
        "p50_at_capacity_ms": _percentile(before, 50) * 1e3,
        "p99_at_capacity_ms": normal * 1e3,
        "p50_accepted_ms": _percentile(accepted, 50) * 1e3,
        "p99_accepted_ms": _percentile(accepted, 99) * 1e3,
        "p50_refused_ms": _percentile(refused, 50) * 1e3,
        "p99_refused_ms": _percentile(refused, 99) * 1e3,
        "refused_share": len(refused) / len(during),
        "p99_ratio": _percentile(accepted, 99) / normal,
        "recovery_s": max([0.0, *(at - seconds for at in late)]),
        "broken": sum(one.status not in (200, 503) or (one.status == 503 and not one.says_when) for one in watched),
        "probes": len(watched),
    }


def _percentile(probes: Sequence[Probe], which: float) -> float:
    return float(np.percentile([one.seconds for one in probes], which)) if probes else float("nan")


def _watched(target: Target, seconds: float, run: Any) -> tuple[Seen, list[Probe]]:
    """Run a load, and for so long be one more caller, who asks at a steady rate whatever the answers."""
    with ThreadPoolExecutor(1) as pool:
        running: Future[Seen] = pool.submit(run)
        probes = asyncio.run(_probe(target, seconds))
        return running.result(), probes


async def _probe(target: Target, seconds: float) -> list[Probe]:
    assert target.bodies is not None
    questions = target.bodies.read_text(encoding="utf-8").splitlines()
    headers = {"Authorization": f"Bearer {target.key}", "Content-Type": "application/json"}
    draw = random.Random(2)
    began = time.monotonic()

    async def one(client: httpx.AsyncClient) -> Probe:
        at = time.monotonic()
        try:
            answer = await client.post(target.url, content=draw.choice(questions), headers=headers)
            status, says_when = answer.status_code, "retry-after" in answer.headers
        except httpx.HTTPError:
            status, says_when = 0, False
        return Probe(at - began, time.monotonic() - at, status, says_when)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=30.0) as client:
        sent: list[asyncio.Task[Probe]] = []
        while (due := len(sent) / _PROBES_PER_S) < seconds:
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            sent.append(asyncio.create_task(one(client)))
        return list(await asyncio.gather(*sent))


def _table(found: dict[str, Any]) -> list[str]:
    rows = [
        ("requests/s, all answered, 128 connections", f"{found['capacity_per_s']:,.0f}"),
        ("requests/s sent in the flood", f"{found['offered_per_s']:,.0f}"),
        ("of these answered", f"{found['answered_per_s']:,.0f}"),
        (
            "p50 / p99 of an answer at capacity",
            f"{found['p50_at_capacity_ms']:.0f} / {found['p99_at_capacity_ms']:.0f} ms",
        ),
        (
            "p50 / p99 of an answer in the flood",
            f"{found['p50_accepted_ms']:.0f} / {found['p99_accepted_ms']:.0f} ms",
        ),
        (
            "p50 / p99 of a refusal (503 with Retry-After)",
            f"{found['p50_refused_ms']:.0f} / {found['p99_refused_ms']:.0f} ms",
        ),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    lines += ["| | measured | bar | |", "|---|---|---|---|"]
    meanings = {
        "p99_ratio": "p99 of an answer in the flood, of that at capacity",
        "recovery_s": "seconds after the flood until every answer is as fast as at capacity",
        "broken": "answers that are neither, or a 503 that does not say when to come back",
    }
    for name, bar in _BARS.items():
        verdict = "reached" if found[name] <= bar else "**missed**"
        lines.append(f"| {meanings[name]} | {found[name]:.3g} | at most {bar:g} | {verdict} |")
    return lines


if __name__ == "__main__":
    console.run(app)
