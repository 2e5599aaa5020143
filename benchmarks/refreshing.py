"""What shoppers notice of a refresh: latencies while every row is written anew, beside those of a quiet store.

`python -m benchmarks.refreshing --out OUT.json --page docs/data.md`
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from cyclopts import App, Parameter

from benchmarks.installation import installed
from benchmarks.marks import report
from benchmarks.serving.load import Seen, load, require_wrk
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from benchmarks.serving.stage import Stage
    from libs.base.endpoints import Endpoints
    from libs.features.preprocess import Prepared

app = App(name="refreshing", help="Latencies of answers during a refresh.")

# Some 30 % of what the machine can answer: a refresh needs a core that is not all taken.
_CONNECTIONS, _REST_S = 32, 0.06
_QUESTIONS = 50_000
_BAR = 1.5


@app.default
def refreshing(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    page: Annotated[Path | None, Parameter(help="A page whose table is made anew.")] = None,
    pairs: Annotated[int, Parameter(help="Turns of each kind.")] = 6,
    seconds: Annotated[float, Parameter(help="How long a turn lasts.")] = 15.0,
) -> None:
    """Ask at a steady rate, in turns with and without a refresh under way."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if pairs < 1 or seconds <= 0:
        raise DataError("--pairs and --seconds must be positive")
    require_wrk()
    with installed("serving") as (environment, endpoints):
        found = _run(environment, endpoints, pairs, seconds)
    report(found, _table(found), "benchmarks.refreshing", out, page)


def _run(environment: Environment, endpoints: "Endpoints", pairs: int, seconds: float) -> dict[str, Any]:
    # Only now: this imports Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.serving.stage import set_up
    from libs.base.cluster import connected

    stage = set_up(environment, endpoints)
    target = stage.target(_QUESTIONS)
    stage.deploy(mirrored=False)
    load(target, _CONNECTIONS, seconds)
    quiet: list[Seen] = []
    busy: list[Seen] = []
    written: list[int] = []
    with connected(endpoints):
        for turn in range(pairs):
            quiet.append(load(target, _CONNECTIONS, seconds, _REST_S))
            with _refreshed_again_and_again(stage, turn) as rows:
                busy.append(load(target, _CONNECTIONS, seconds, _REST_S))
            written.append(rows[0])
            print(quiet[-1], busy[-1], rows, flush=True)
    return {
        "offered_per_s": median(one.per_s for one in quiet),
        "p50_quiet_ms": median(one.p50_ms for one in quiet),
        "p99_quiet_ms": median(one.p99_ms for one in quiet),
        "p50_refreshing_ms": median(one.p50_ms for one in busy),
        "p99_refreshing_ms": median(one.p99_ms for one in busy),
        "p99_ratio": median(during.p99_ms / before.p99_ms for before, during in zip(quiet, busy, strict=True)),
        "rows_per_s": median(written) / seconds,
        "errors": sum(one.errors for one in (*quiet, *busy)),
        "turns": pairs,
    }


@contextmanager
def _refreshed_again_and_again(stage: "Stage", turn: int) -> Iterator[list[int]]:
    """Refresh without a pause, every row another than before; how many were written, once it has ended."""
    ended, rows, faults = threading.Event(), [0], list[BaseException]()

    def work() -> None:
        # As the weekly job's process is: the last for the cores. Of a thread on Linux.
        os.nice(19)
        try:
            number = 1000 * turn
            while not ended.is_set():
                number += 1
                rows[0] += _refresh(stage, number)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(2.0)  # workers are started, and the first rows under way
    try:
        yield rows
    finally:
        ended.set()
        thread.join()
    if faults:
        raise faults[0]


def _refresh(stage: "Stage", number: int) -> int:
    from libs.features.refresh import Destination, Refreshed, refresh

    destination = Destination(stage.environment.name, stage.environment.home, stage.endpoints.redis_url)
    done = refresh(destination, [_another(stage.prepared, number)])[stage.prepared.market]
    if not isinstance(done, Refreshed):
        raise DataError(done.reason)
    return done.written


def _another(week: "Prepared", number: int) -> "Prepared":
    """The same week with other values in every row."""
    folder = Path(week.customers_path).parent / "another"
    changes = {"customers": pl.lit(float(100 + number % 100)).alias("height_cm"), "articles": pl.col("size_step") + 1}
    for kind, change in changes.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        pl.read_parquet(getattr(week, f"{kind}_path")).with_columns(change).write_parquet(folder / kind / "0.parquet")
    return replace(
        week,
        as_of=(datetime.fromisoformat(week.as_of) + timedelta(seconds=number)).isoformat(),
        customers_path=str(folder / "customers"),
        articles_path=str(folder / "articles"),
    )


def _table(found: dict[str, Any]) -> list[str]:
    verdict = "reached" if found["p99_ratio"] <= _BAR else "**missed**"
    return [
        "| | quiet | refreshing |",
        "|---|---|---|",
        f"| p50, ms | {found['p50_quiet_ms']:.1f} | {found['p50_refreshing_ms']:.1f} |",
        f"| p99, ms | {found['p99_quiet_ms']:.1f} | {found['p99_refreshing_ms']:.1f} |",
        "",
        f"{found['offered_per_s']:,.0f} requests/s, {found['rows_per_s']:,.0f} rows written a second, "
        f"{found['errors']} errors, medians of {found['turns']} turns of each kind. p99 while refreshing is "
        f"{found['p99_ratio']:.2f} times that of the quiet turn before it, at most {_BAR:g}: {verdict}.",
    ]


if __name__ == "__main__":
    console.run(app)
