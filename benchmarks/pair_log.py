"""What the pair log costs a router: the same mirrored stream with and without it, in turns.

`python -m benchmarks.pair_log --out OUT.json --page docs/pair_log.md`
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any, cast

import numpy as np
from cyclopts import App, Parameter

from apps.serve.mirror import Mirror, MirrorTarget
from benchmarks.marks import report
from libs.base import console
from libs.base.errors import DataError
from libs.calls.caller import Caller
from libs.calls.heap import freeze_heap
from libs.features.snapshot import ARTICLE_VALUES, SIZE_VALUES, Article, laid_out
from libs.features.wire import pack
from libs.models.contract import Answered, SizeQuery
from libs.models.pair_writer import FLUSH_S, PairLog
from libs.models.sampling import in_sample
from libs.models.score_call import Scored

app = App(name="pair_log", help="What the pair log costs the serving path.")

_PER_S = 2_000
_BATCH = 20
_CUSTOMERS = 20_000
_SIZES = [str(size) for size in range(36, 46)]
_TARGET = MirrorTarget("de", "challenger", "2", "w", share=0.2, timeout_s=5.0)
# Turns so short that whatever else the machine does meets both arms.
_TURNS, _BATCHES_A_TURN = 200, 10
# How often the loop is looked at: far more often than the log is flushed.
_LOOK_S = 0.002


class Unlogged(Mirror):
    """Mirrors and writes nothing down."""

    def _record(self, *_: Any) -> None:
        pass


class Challenger:
    """Answers as the champion did; stands where the challenger's caller is."""

    def __init__(self, answer: Answered) -> None:
        self._answer = answer

    async def call(self, _method: Any, _market: str, _features: bytes, articles: list[str]) -> Scored:
        """An answer for each article."""
        return Scored("2", [self._answer] * len(articles), 0.002)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Arm:
    """The router's part of the mirrored path, with or without the log."""

    mirror: Mirror
    log: PairLog | None
    batches: Iterator[list[SizeQuery]]
    features: bytes
    champion: Scored

    def take(self) -> None:
        """One batch, as `ShadowRouter` takes it once the champion has answered."""
        queries, sampled = next(self.batches), []
        for query in queries:
            chosen = in_sample(query.customer_id, _TARGET.window, _TARGET.share)
            if self.log is not None:
                self.log.count_request(_TARGET.market, _TARGET.window, query.customer_id, chosen)
            sampled.append(chosen)
        if any(sampled):
            self.mirror.start(_TARGET, queries, sampled, self.features, self.champion)


@app.default
def pair_log(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
    rounds: Annotated[int, Parameter(help="Rounds with and without, in turns.")] = 7,
    seconds: Annotated[float, Parameter(help="How long a round at 2,000 requests a second lasts.")] = 10.0,
) -> None:
    """Measure a request's cost on the event loop, and how late the loop is at 2,000 requests a second."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if rounds < 2 or seconds <= 0:
        raise DataError("--rounds must be 2 at least, --seconds positive")
    with TemporaryDirectory() as folder:
        found = figures(asyncio.run(_measure(Path(folder), rounds, seconds)))
    report(found, _table(found), "benchmarks.pair_log", out, page)


async def _measure(folder: Path, rounds: int, seconds: float) -> list[dict[str, dict[str, float]]]:
    measured = []
    # As every replica does.
    freeze_heap()
    for number in range(rounds + 1):
        names = ("without", "with") if number % 2 else ("with", "without")
        with _arm(folder / f"{number}", False) as without, _arm(folder / f"{number}", True) as logged:
            arms = {"without": without, "with": logged}
            in_turns = await _in_turns(arms)
            await asyncio.sleep(2 * FLUSH_S)
            measured.append({name: in_turns[name] | await _paced(arms[name], seconds) for name in names})
    # The first warms up.
    return measured[1:]


@contextmanager
def _arm(folder: Path, logged: bool) -> Iterator[Arm]:
    log = PairLog(str(folder))
    mirror = (Mirror if logged else Unlogged)(log, str(folder))
    mirror.set_targets({_TARGET.market: _TARGET})
    answer = Answered("recommended", "40", 0.7, b"{}")
    mirror._callers[_TARGET.application] = cast(Caller, Challenger(answer))
    yield Arm(mirror, log if logged else None, _batches(), _features(), Scored("1", [answer] * _BATCH, 0.002))
    log.close()


def _batches() -> Iterator[list[SizeQuery]]:
    draw = np.random.default_rng(3)
    customers, articles = (draw.integers(_CUSTOMERS, size=(_CUSTOMERS // _BATCH, _BATCH)) for _ in range(2))
    return cycle(
        [
            [SizeQuery("de", f"de-c{c:07}", [f"de-a{a:06}"], f"{c:016x}{a:016x}") for c, a in zip(*row, strict=True)]
            for row in zip(customers.tolist(), articles.tolist(), strict=True)
        ]
    )


def _features() -> bytes:
    positions = np.zeros((len(SIZE_VALUES), len(_SIZES)))
    article = Article("brand", 1, _SIZES, np.ones(len(ARTICLE_VALUES)), positions)
    return pack(laid_out(list(range(_BATCH)), [None] * _BATCH, [article] * _BATCH, [None] * _BATCH))


async def _in_turns(arms: dict[str, Arm]) -> dict[str, dict[str, float]]:
    """CPU time of the event loop's thread for each request, batch after batch: the median turn of each arm."""
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(_TURNS):
        for name, arm in arms.items():
            began = time.thread_time()
            for _ in range(_BATCHES_A_TURN):
                arm.take()
                await arm.mirror.drain()
            taken[name].append((time.thread_time() - began) / (_BATCHES_A_TURN * _BATCH) * 1e6)
    return {name: {"loop_us": median(one)} for name, one in taken.items()}


async def _paced(arm: Arm, seconds: float) -> dict[str, float]:
    """How late the loop is while requests come at their rate, and the CPU time of all threads."""
    looking = asyncio.create_task(_look(seconds))
    began, cpu, loop = time.monotonic(), time.process_time(), time.thread_time()
    taken = 0
    while (due := taken * _BATCH / _PER_S) < seconds:
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        arm.take()
        taken += 1
    late = await looking
    passed, on_loop = time.monotonic() - began, time.thread_time() - loop
    return {
        "loop_share": on_loop / passed,
        "others_share": (time.process_time() - cpu - on_loop) / passed,
        "loop_delay_p50_ms": float(np.percentile(late, 50)) * 1e3,
        "loop_delay_p99_ms": float(np.percentile(late, 99)) * 1e3,
        "loop_delay_max_ms": float(np.max(late)) * 1e3,
    }


async def _look(seconds: float) -> Sequence[float]:
    late, end = [], time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        await asyncio.sleep(_LOOK_S)
        late.append(time.monotonic() - now - _LOOK_S)
    return late


def figures(rounds: Sequence[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Medians over rounds of each arm, and of the differences within a round.

    `noise` is what the arm without the log differs by from one round to the next, the 90th percentile of it.
    """
    found: dict[str, float] = {}
    for figure in rounds[0]["with"]:
        for name in ("without", "with"):
            found[f"{figure}_{name}"] = median(one[name][figure] for one in rounds)
        found[f"{figure}_more"] = median(one["with"][figure] - one["without"][figure] for one in rounds)
    p99 = [one["without"]["loop_delay_p99_ms"] for one in rounds]
    found["loop_delay_p99_ms_noise"] = float(np.percentile(np.abs(np.diff(p99)), 90))
    found["caller_share_of_core"] = found["loop_us_more"] * _PER_S / 1e6
    return found


def _table(found: dict[str, float]) -> list[str]:
    rows = [
        ("CPU time of the event loop for a request, µs", "loop_us", ".1f"),
        ("share of a core, event loop", "loop_share", ".2%"),
        ("share of a core, other threads", "others_share", ".2%"),
        ("loop delay p50, ms", "loop_delay_p50_ms", ".2f"),
        ("loop delay p99, ms", "loop_delay_p99_ms", ".2f"),
    ]
    lines = ["| at 2,000 requests/s, 20 % mirrored | without | with | more |", "|---|---|---|---|"]
    for meaning, name, form in rows:
        values = " | ".join(format(found[f"{name}_{arm}"], form) for arm in ("without", "with", "more"))
        lines.append(f"| {meaning} | {values} |")
    return [*lines, "", "| | measured | bar | |", "|---|---|---|---|", *_bars(found)]


def _bars(found: dict[str, float]) -> Iterator[str]:
    noise = found["loop_delay_p99_ms_noise"]
    for meaning, name, bar, form in (
        ("share of a core on the event loop's thread", "caller_share_of_core", 0.01, ".2%"),
        ("loop delay p99 more, ms; the bar is the noise from round to round", "loop_delay_p99_ms_more", noise, ".2f"),
    ):
        verdict = "reached" if found[name] <= bar else "**missed**"
        yield f"| {meaning} | {found[name]:{form}} | at most {bar:{form}} | {verdict} |"


if __name__ == "__main__":
    console.run(app)
