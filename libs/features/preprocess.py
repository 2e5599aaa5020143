"""Preprocessing of all due markets in one Ray Data execution: a market is a partition, not a job.

Two passes. The first streams the order lines of every market through schema checks and business rules, block by block,
and stages them by market with the rule each line broke. The second takes one market at a time through label maturity
and point-in-time features. Nothing is shuffled: the staged partition is the group.
"""

import json
import logging
import shutil
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import ray.data

from libs.base.errors import DataError, FitwaveError
from libs.base.market import Market
from libs.features.lake import Lake
from libs.features.rules import KEPT, FunnelStep, broken_rule, funnel
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, check_key, violations
from libs.features.tables import SHUFFLED, article_sizes, build_tables

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """One market's preprocessed week: where its tables are, and what became of its order lines."""

    market: str
    as_of: str
    funnel: list[FunnelStep]
    lines_in: int
    lines_out: int
    labelled: int
    customers: int
    articles: int
    training_path: str
    customers_path: str
    articles_path: str


@dataclass(frozen=True)
class Failed:
    """A market that stopped, at which stage, and why; the others went on."""

    market: str
    stage: str
    reason: str


def preprocess(
    lake_uri: str, markets: Mapping[str, Market], as_of: datetime, folder: Path
) -> dict[str, Prepared | Failed]:
    """Gather, filter and describe the data of these markets up to `as_of`; the caller is connected to Ray.

    Writes `<folder>/<market>/{training,customers,articles}.parquet`. A market whose data breaks the schema, or of
    which the rules leave nothing, comes back as `Failed`.
    """
    lake = Lake.open(lake_uri)
    results: dict[str, Prepared | Failed] = {}
    paths: list[str] = []
    for name in markets:
        try:
            paths += _checked_paths(lake, name)
        except DataError as error:
            results[name] = Failed(name, "preprocess", str(error))
    healthy = {name: market for name, market in markets.items() if name not in results}
    if healthy:
        staging = folder / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        _stage_lines(lake, paths, lake_uri, healthy, as_of, staging)
        results |= _build_markets(lake_uri, healthy, as_of, staging, folder)
        # Ray writes no folder where no line precedes `as_of`.
        shutil.rmtree(staging, ignore_errors=True)
    return {name: results[name] for name in markets}


def _checked_paths(lake: Lake, market: str) -> list[str]:
    for table in (CUSTOMERS, ARTICLES, RETURNS):
        lake.check_parts(table, market)
    return lake.check_parts(ORDERS, market)


def _stage_lines(
    lake: Lake, paths: Iterable[str], lake_uri: str, markets: Mapping[str, Market], as_of: datetime, staging: Path
) -> None:
    lines = ray.data.read_parquet(list(paths), filesystem=lake.filesystem)
    screen = partial(screen_lines, lake_uri=lake_uri, markets=dict(markets), as_of=as_of)
    screened = lines.map_batches(screen, batch_format="pyarrow", batch_size=None)
    screened.write_parquet(str(staging), partition_cols=["market"])


def screen_lines(batch: pa.Table, lake_uri: str, markets: Mapping[str, Market], as_of: datetime) -> pa.Table:
    """Check a block of order lines and name the rule that each breaks.

    Shape: (n, ORDERS + market) -> (m <= n, line columns + position, scale, broken_rule, fault); lines ordered at or
    after `as_of` are not there yet. A fault of the block's values stands in its first row.
    """
    parts = []
    for (name,), block in pl.DataFrame(pl.from_arrow(batch)).group_by("market", maintain_order=True):
        rows = block.to_arrow().select(ORDERS.schema.names).cast(_nullable(ORDERS.schema))
        faults = violations(ORDERS, rows)
        seen = block.filter(pl.col("ordered_at").is_null() | (pl.col("ordered_at") < as_of))
        part = _screen_market(seen, str(name), lake_uri, markets[str(name)], as_of)
        first = pl.int_range(pl.len()) == 0
        parts.append(part.with_columns(fault=pl.when(first).then(pl.lit("; ".join(faults) or None, pl.String))))
    return pl.concat(parts).to_arrow() if parts else _NO_LINES.to_arrow()


def _screen_market(lines: pl.DataFrame, name: str, lake_uri: str, market: Market, as_of: datetime) -> pl.DataFrame:
    customers, articles, sizes = _dimensions(lake_uri, name, as_of)
    joined = (
        lines.join(articles, on="article_id", how="left", maintain_order="left")
        .join(sizes, on=["article_id", "size"], how="left", maintain_order="left")
        .join(customers, on="customer_id", how="left", maintain_order="left")
    )
    return joined.with_columns(broken_rule(market.rules, as_of)).select(*_NO_LINES.drop("fault").columns)


_NO_LINES = pl.DataFrame(
    schema={
        "market": pl.String,
        "line_id": pl.String,
        "customer_id": pl.String,
        "article_id": pl.String,
        "size": pl.String,
        "ordered_at": pl.Datetime("us", "UTC"),
        "position": pl.Float64,
        "scale": pl.Int8,
        "broken_rule": pl.Int16,
        "fault": pl.String,
    }
)


# `as_of` is in the key so that a worker process that lives through several runs reads each week's tables anew.
@lru_cache(maxsize=16)
def _dimensions(lake_uri: str, market: str, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    lake = Lake.open(lake_uri)
    customers = pl.DataFrame(pl.from_arrow(lake.read(CUSTOMERS, market))).select("customer_id", "registered_at")
    articles = pl.DataFrame(pl.from_arrow(lake.read(ARTICLES, market)))
    return customers, articles.select("article_id", "division"), article_sizes(articles)


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([column.with_nullable(True) for column in schema])


def _build_markets(
    lake_uri: str, markets: Mapping[str, Market], as_of: datetime, staging: Path, folder: Path
) -> dict[str, Prepared | Failed]:
    partitions = ray.data.from_items([{"market": name} for name in markets], override_num_blocks=len(markets))
    build = partial(
        _build_market, lake_uri=lake_uri, markets=dict(markets), as_of=as_of, staging=staging, folder=folder
    )
    built = partitions.map(build)
    return {row["market"]: _read_result(row["result"]) for row in built.take_all()}


def _read_result(text: str) -> Prepared | Failed:
    values = json.loads(text)
    if "reason" in values:
        return Failed(**values)
    return Prepared(**values | {"funnel": [FunnelStep(**step) for step in values["funnel"]]})


def _build_market(row: dict[str, Any], lake_uri: str, markets: Mapping[str, Market], **where: Any) -> dict[str, Any]:
    name = row["market"]
    result: Prepared | Failed
    try:
        result = build_market(lake_uri, markets[name], **where)
    except FitwaveError as error:
        result = Failed(name, "preprocess", str(error))
    # The wall between markets: a bug or a broken file met by one may not take its neighbours' week with it.
    except Exception as error:
        log.exception("market %s", name)
        result = Failed(name, "preprocess", f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}")
    return {"market": name, "result": json.dumps(asdict(result))}


def build_market(lake_uri: str, market: Market, as_of: datetime, staging: Path, folder: Path) -> Prepared:
    """Build one market's feature tables from its staged lines.

    Raises:
        DataError: values break the schema, a key is repeated, or no line is left after the rules.
    """
    lake = Lake.open(lake_uri)
    staged = _staged_lines(staging, market.name)
    customers, articles, returns = (_checked(lake, table, market.name) for table in (CUSTOMERS, ARTICLES, RETURNS))
    _check_staged(staged, market.name)
    steps = funnel(market.rules, staged["broken_rule"])
    lines = staged.filter(pl.col("broken_rule") == KEPT).drop("broken_rule", "fault")
    if lines.is_empty():
        trail = ", ".join(f"{step.rule}: {step.rows_in} -> {step.rows_out}" for step in steps)
        raise DataError(
            f"market {market.name!r} has no order line before {as_of:%Y-%m-%d} that passes its rules ({trail}). "
            f"Look at the rule that lets nothing through, or at the delivery."
        )
    tables = build_tables(market, lines, returns, customers, articles, as_of)
    home = folder / market.name
    home.mkdir(parents=True, exist_ok=True)
    paths = {name: str(home / f"{name}.parquet") for name in ("training", "customers", "articles")}
    for name, path in paths.items():
        getattr(tables, name).write_parquet(path)
    return Prepared(
        market=market.name,
        as_of=as_of.isoformat(),
        funnel=steps,
        lines_in=len(staged),
        lines_out=len(lines),
        labelled=tables.training.filter(pl.col("split") != SHUFFLED).height,
        customers=len(tables.customers),
        articles=len(tables.articles),
        training_path=paths["training"],
        customers_path=paths["customers"],
        articles_path=paths["articles"],
    )


def _staged_lines(staging: Path, market: str) -> pl.DataFrame:
    files = sorted((staging / f"market={market}").glob("*.parquet"))
    if not files:
        return _NO_LINES.drop("market")
    return pl.read_parquet(files, hive_partitioning=False)


def _checked(lake: Lake, table: Any, market: str) -> pl.DataFrame:
    rows = lake.read(table, market)
    faults = violations(table, rows) + check_key(table, rows)
    if faults:
        raise DataError(f"table {table.name!r} of market {market!r}: {'; '.join(faults)}. Correct the delivery.")
    return pl.DataFrame(pl.from_arrow(rows))


def _check_staged(staged: pl.DataFrame, market: str) -> None:
    faults = staged["fault"].drop_nulls().to_list()
    repeated = staged.filter(pl.col("line_id").is_duplicated())["line_id"].unique(maintain_order=True)
    if len(repeated):
        faults.append(f"line_id must be unique: {len(repeated)} values repeat, such as {repeated.head(3).to_list()}")
    if faults:
        raise DataError(f"table 'orders' of market {market!r}: {'; '.join(faults)}. Correct the delivery.")
