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

# Some 30 % of what the machine can answer: where no core is free, no refresh goes unnoticed.
_CONNECTIONS, _REST_S = 32, 0.06
_QUESTIONS = 50_000
# Of the market's 24,000 customers: so many rows that writing them takes longer than a turn.
_COPIES = 6
# Workers are started and the first rows on their way.
_STARTED_S = 5.0
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
    written: list[float] = []
    with connected(endpoints):
        for turn in range(pairs):
            quiet.append(load(target, _CONNECTIONS, seconds, _REST_S))
            with _under_refresh(stage, turn) as rate:
                busy.append(load(target, _CONNECTIONS, seconds, _REST_S))
            written += rate
            print(quiet[-1], busy[-1], rate, flush=True)
    return {
        "offered_per_s": median(one.per_s for one in quiet),
        "p50_quiet_ms": median(one.p50_ms for one in quiet),
        "p99_quiet_ms": median(one.p99_ms for one in quiet),
        "p50_refreshing_ms": median(one.p50_ms for one in busy),
        "p99_refreshing_ms": median(one.p99_ms for one in busy),
        "p99_ratio": median(during.p99_ms / before.p99_ms for before, during in zip(quiet, busy, strict=True)),
        "rows_per_s": median(written),
        "errors": sum(one.errors for one in (*quiet, *busy)),
        "turns": pairs,
    }


@contextmanager
def _under_refresh(stage: "Stage", turn: int) -> Iterator[list[float]]:
    """One refresh that writes from before this begins until after it ends; the rows it wrote a second, at its end."""
    from libs.features.refresh import Destination, Refreshed, refresh

    week, rate, faults = _another(stage.prepared, turn), list[float](), list[BaseException]()

    def work() -> None:
        # As the weekly job's process does; on Linux it is the thread's own.
        os.nice(19)
        try:
            began = time.monotonic()
            destination = Destination(stage.environment.name, stage.environment.home, stage.endpoints.redis_url)
            done = refresh(destination, [week])[week.market]
            if not isinstance(done, Refreshed):
                raise DataError(done.reason)
            rate.append(done.written / (time.monotonic() - began))
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(_STARTED_S)
    yield rate
    late = not thread.is_alive()
    thread.join()
    if faults:
        raise faults[0]
    if late:
        raise DataError("the refresh ended before the turn did: ask for shorter turns")


def _another(week: "Prepared", turn: int) -> "Prepared":
    """The same week with more customers and other values in every row."""
    folder = Path(week.customers_path).parent / "another"
    for kind in ("customers", "articles"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    customers = pl.read_parquet(week.customers_path).with_columns(height_cm=pl.lit(100.0 + turn))
    copies = [customers.with_columns(pl.col("customer_id") + "-" * number) for number in range(_COPIES)]
    pl.concat(copies).write_parquet(folder / "customers" / "0.parquet")
    articles = pl.read_parquet(week.articles_path).with_columns(pl.col("size_step") + turn)
    articles.write_parquet(folder / "articles" / "0.parquet")
    return replace(
        week,
        as_of=(datetime.fromisoformat(week.as_of) + timedelta(seconds=1 + turn)).isoformat(),
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
