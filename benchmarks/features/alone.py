"""The same tables by one process that holds whole markets: no Ray, no groups, no files between."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from libs.base.market import Market
from libs.features.catalogue import Catalogue
from libs.features.generator.deliveries import cut_off
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.rules import KEPT, broken_rule
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, Table, check_key
from libs.features.tables import build_tables
from libs.features.validation.values import violations


@dataclass(frozen=True)
class Alone:
    """What the process took, without its own start."""

    seconds: float
    peak_gib: float


def run_alone(lake_uri: str, markets: Sequence[str], folder: Path) -> Alone:
    """Build the tables of these markets, one after the other, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.features.alone", lake_uri, str(folder), *markets]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return Alone(**json.loads(ran.stdout.splitlines()[-1]))


def _build(lake: Lake, market: Market, folder: Path) -> None:
    """Checks, rules and features of one market, as the product has them."""
    as_of = cut_off(MarketPlan(market.name, 1, 1, 1, 1), 0)
    orders, returns, customers, articles = (
        _read(lake, table, market.name) for table in (ORDERS, RETURNS, CUSTOMERS, ARTICLES)
    )
    joined = (
        Catalogue.of(articles)
        .numbered(orders.filter(pl.col("ordered_at") < as_of))
        .join(customers.select("customer_id", "registered_at"), on="customer_id", how="left")
    )
    broken = [broken_rule(market.rules, as_of, of_customers=asked) for asked in (True, False)]
    kept = joined.filter(pl.min_horizontal(*broken) == KEPT)
    tables = build_tables(market, kept, returns, customers, articles, as_of)
    home = folder / market.name
    home.mkdir(parents=True, exist_ok=True)
    for name, table in vars(tables).items():
        table.write_parquet(home / f"{name}.parquet", compression="lz4")


def _read(lake: Lake, table: Table, market: str) -> pl.DataFrame:
    rows = lake.read(table, market)
    frame = pl.DataFrame(pl.from_arrow(rows))
    faults = violations(table, frame) + check_key(table, rows)
    if faults:
        raise SystemExit("; ".join(faults))
    return frame


def main(lake_uri: str, folder: str, *markets: str) -> None:
    """Print what building took, as JSON."""
    began = time.monotonic()
    for name in markets:
        _build(Lake.open(lake_uri), Market(name=name), Path(folder))
    seconds = time.monotonic() - began
    print(json.dumps(asdict(Alone(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))))


if __name__ == "__main__":
    main(*sys.argv[1:])
