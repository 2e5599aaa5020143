"""How fast `fitwave score` is, beside the bare booster on the same rows.

`python -m benchmarks.bulk --pairs 10000000 --out OUT.json`
"""

import json
import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from benchmarks.installation import installed
from libs.base import console
from libs.base.environment import Environment
from libs.base.errors import DataError

if TYPE_CHECKING:
    from benchmarks.serving.stage import Stage
    from libs.base.endpoints import Endpoints

app = App(name="bulk", help="Scoring in bulk, beside the bare booster.")

_ARTICLES = 500
# Customers whose rows are made once and predicted again and again: as much as fits into memory with room to spare.
_BARE_CUSTOMERS = 200
_BARE_ROUNDS = 5


@app.default
def bulk(
    *,
    out: Annotated[Path, Parameter(help="Where the figures go, as JSON.")],
    pairs: Annotated[int, Parameter(help="How many pairs of a customer and an article are scored.")] = 10_000_000,
) -> None:
    """Score pairs through the product, and their like through the booster alone, on all cores each."""
    if not out.parent.is_dir():
        raise DataError(f"--out {out}: {out.parent} is no folder")
    if pairs < _ARTICLES:
        raise DataError(f"--pairs must be {_ARTICLES} or more: so many articles are scored for each customer")
    with installed("serving") as (environment, endpoints):
        found = _run(environment, endpoints, pairs)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def _run(environment: Environment, endpoints: "Endpoints", pairs: int) -> dict[str, Any]:
    # Only now: these import Ray, which reads the cluster's address and token from the process it is imported in.
    from benchmarks.serving.stage import MARKET, set_up
    from libs.base.cluster import connected
    from libs.features.refresh import Destination
    from libs.features.sides import Sides
    from libs.models.bulk import Scoring, score
    from libs.models.contract import ModelRef
    from libs.models.fingerprint import fingerprint

    stage = set_up(environment, endpoints)
    cores = os.cpu_count() or 1
    bare_per_s, rows_a_pair = _bare(stage, cores)
    folder = environment.home / "scores"
    folder.mkdir()
    destination = Destination(environment.name, environment.home, endpoints.redis_url)
    live = Sides(endpoints.redis_url, environment.name).require_live(MARKET)
    model = ModelRef("1", str(stage.package), fingerprint(stage.package))
    # Customers are repeated when more pairs are wanted than the market has.
    count = pairs // _ARTICLES
    customers = (list(stage.customers) * (count // len(stage.customers) + 1))[:count]
    with connected(endpoints):
        began = time.monotonic()
        done = score(Scoring(destination, live, model, str(folder)), customers, stage.articles[:_ARTICLES], cores)
        seconds = time.monotonic() - began
    rows_per_s = done.pairs * rows_a_pair / seconds
    return {
        "pairs": done.pairs,
        "seconds": round(seconds, 1),
        "pairs_per_s": round(done.pairs / seconds),
        "rows_per_s": round(rows_per_s),
        "bare_rows_per_s": round(bare_per_s),
        "share_of_bare": round(rows_per_s / bare_per_s, 3),
        "cores": cores,
    }


def _bare(stage: "Stage", cores: int) -> tuple[float, float]:
    """Rows a second that the booster predicts of a matrix that is there already, and how many rows a pair has."""
    from benchmarks.serving.stage import MARKET
    from libs.features.assembly import assemble
    from libs.features.cross import Articles, cross
    from libs.features.definitions import views
    from libs.features.online import OnlineStore
    from libs.features.sides import Sides
    from libs.features.snapshot import Article
    from libs.models.package import load

    environment = stage.environment
    store = OnlineStore.open(environment.name, environment.home, stage.endpoints.redis_url)
    place = Sides(stage.endpoints.redis_url, environment.name).require_live(MARKET).place
    read = store.read(views().articles, place, stage.articles[:_ARTICLES])
    articles = Articles.of([Article.of(row) for row in read if row is not None])
    customers = store.read(views().customers, place, stage.customers[:_BARE_CUSTOMERS])
    rows = assemble(cross(customers, articles)).rows
    booster = load(stage.package, threads=cores).booster
    seconds = []
    for _ in range(_BARE_ROUNDS):
        began = time.monotonic()
        booster.inplace_predict(rows, predict_type="margin", validate_features=False)
        seconds.append(time.monotonic() - began)
    return len(rows) / median(seconds), len(rows) / (len(customers) * len(articles.articles))


if __name__ == "__main__":
    console.run(app)
