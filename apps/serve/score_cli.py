"""`fitwave score`: every customer of a file with every article of another, by the live model, into Parquet."""

import os
import shutil
import time
from pathlib import Path
from typing import Annotated

import polars as pl
from cyclopts import App, Parameter
from rich.console import Console

from libs.base.environment import load_environment
from libs.base.errors import DataError

app = App(name="score", help="Score many customers and articles at once.")


@app.default
def score(
    *,
    market: Annotated[str, Parameter(help="The market whose champion scores.")],
    customers: Annotated[Path, Parameter(help="Parquet or CSV with a column customer_id.")],
    articles: Annotated[Path, Parameter(help="Parquet or CSV with a column article_id.")],
    out: Annotated[Path, Parameter(help="A folder that does not exist yet: it is made, with Parquet files.")],
    concurrency: Annotated[int, Parameter(help="Tasks at a time, a core each.")] = os.cpu_count() or 1,
    environment: Annotated[
        str | None, Parameter(name="--environment", help="Default: $FITWAVE_ENVIRONMENT or main.")
    ] = None,
) -> None:
    """Score every customer with every article that is online."""
    from libs.base.endpoints import resolve

    settings = load_environment(environment)
    settings.market(market)
    asked = read_ids(customers, "customer_id"), read_ids(articles, "article_id")
    if out.exists():
        raise DataError(f"{out} exists: name a folder that does not, so that no earlier result is mixed with this one")
    if concurrency < 1:
        raise DataError("--concurrency must be 1 or more")
    endpoints = resolve(settings)

    from libs.base.cluster import connected
    from libs.features.refresh import Destination
    from libs.features.sides import Sides
    from libs.models.bulk import Scoring
    from libs.models.bulk import score as score_all
    from libs.models.lifecycle import Lifecycle

    champion = Lifecycle.of(settings, endpoints).registry.holder(market, "champion")
    if champion is None:
        raise DataError(f"market {market!r} has no champion yet: run its weekly job first")
    live = Sides(endpoints.redis_url, settings.name).require_live(market)
    draft = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    began = time.monotonic()
    try:
        destination = Destination(settings.name, settings.home, endpoints.redis_url)
        with connected(endpoints):
            done = score_all(Scoring(destination, live, champion.ref, str(draft.resolve())), *asked, concurrency)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    seconds = time.monotonic() - began
    speed = f"{done.pairs / seconds:,.0f}/s"
    Console().print(
        f"{done.pairs:,} pairs by {market} v{champion.number} in {seconds:.1f} s, {speed}: {out}\n"
        f"left out: {done.unknown_articles:,} articles that are not online; "
        f"{done.unknown_customers:,} customers without features were scored as new ones",
        highlight=False,
        soft_wrap=True,
    )


def read_ids(path: Path, column: str) -> list[str]:
    """The distinct ids of a file, in its order.

    Raises:
        DataError: the file is absent, is neither Parquet nor CSV, lacks the column, or has no id.
    """
    kind = "Parquet" if path.suffix == ".parquet" else "CSV"
    try:
        table = pl.read_parquet(path) if kind == "Parquet" else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read as {kind}: {error}") from error
    if column not in table.columns:
        raise DataError(f"{path} has no column {column!r}: it has {', '.join(table.columns)}")
    ids = table[column].drop_nulls().cast(pl.String).unique(maintain_order=True).to_list()
    if not ids:
        raise DataError(f"{path} has no {column}")
    return ids
