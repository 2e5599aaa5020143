"""What a worker does to a group of a market's customers or articles: from one pass's files to the next one's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from libs.base.errors import DataError
from libs.features.arrays import Indices
from libs.features.article_history import WIDE_LEVELS
from libs.features.body import BodySizes
from libs.features.rules import KEPT, broken_rule
from libs.features.running_sums import DaySums, RunningSums
from libs.features.screening import CUSTOMERS_STAGED, LINES_STAGED, Source, catalogue_of
from libs.features.shuffle import DayCounts
from libs.features.splits import SHUFFLED
from libs.features.staging import read, read_arrays
from libs.features.tables import ArticleGroup, CustomerGroup

# Where a file without rows stands among the groups of articles: with it, a group without lines still has its columns.
NOBODY = -1


@dataclass(frozen=True)
class Gathered:
    """A group of customers with their lines: its files, how many lines have which `broken_rule`, and the part of each
    order of time in what the regressions on the body are solved from.
    """

    broken: dict[int, int]
    customers: str
    orders: list[str]
    body_sums: list[str]


@dataclass(frozen=True)
class Described:
    """What a group of customers came to: how many have online features; and by order of time its lines, in files by
    group of articles, and its part of the sums of the wide levels.
    """

    customers: int
    orders: list[dict[int, str]]
    wide: list[str]


@dataclass(frozen=True)
class Completed:
    """What a group of articles came to: its training rows that are labels of their own, and its online articles."""

    labelled: int
    articles: int


def gather(source: Source, market: str, lines: Sequence[str], customers: Sequence[str], days: DayCounts) -> Gathered:
    """Let a group of customers meet their lines.

    Raises:
        DataError: a customer is there twice.
    """
    catalogue, config = catalogue_of(source, market), source.markets[market]
    registered = read(customers, CUSTOMERS_STAGED)
    twice = registered.filter(pl.col("customer_id").is_duplicated())["customer_id"].unique().sort()
    if len(twice):
        raise DataError(
            f"table 'customers' of market {market!r}: customer_id must be unique: {len(twice)} values repeat, such as "
            f"{twice.head(3).to_list()}. Correct the delivery."
        )
    known = read(lines, LINES_STAGED).join(
        registered.select("customer_id", "registered_at"), on="customer_id", how="left", maintain_order="left"
    )
    of_customer = broken_rule(config.rules, source.cut_off(market), of_customers=True)
    judged = known.with_columns(broken_rule=pl.min_horizontal("broken_rule", of_customer)).drop("registered_at")
    kept = judged.filter(pl.col("broken_rule") == KEPT).drop("broken_rule")
    group = CustomerGroup.of(kept, registered, catalogue, config, source.cut_off(market), days)
    write = source.staging
    return Gathered(
        broken=dict(judged["broken_rule"].value_counts().iter_rows()),
        customers=write.rows(market, "group", group.customers),
        orders=[write.rows(market, "group", order) for order in group.orders],
        body_sums=[write.arrays(market, "body", vars(sums)) for sums in group.body_sums()],
    )


def repeated_lines(source: Source, market: str, lines: Sequence[str]) -> list[str]:
    """Faults of the lines' key, over all groups of a market; none or one sentence.

    Hashes are compared first: they are an eighth of the ids, and as good as always all that is needed.
    """
    hashes = np.concatenate([_line_ids(path).hash(0).to_numpy() for path in lines] or [np.empty(0, np.uint64)])
    hashes.sort()
    if not (hashes[1:] == hashes[:-1]).any():
        return []
    ids = pl.concat([_line_ids(path) for path in lines])
    twice = ids.filter(ids.is_duplicated()).unique().sort()
    return (
        [f"line_id must be unique: {len(twice)} values repeat, such as {twice.head(3).to_list()}"] if len(twice) else []
    )


def _line_ids(path: str) -> pl.Series:
    return pl.read_ipc(path, columns=["line_id"])["line_id"]


def describe(source: Source, market: str, gathered: Gathered, bodies: Sequence[BodySizes], online: Path) -> Described:
    """Describe a group's lines, deal them out by article, and write the group's online features."""
    catalogue = catalogue_of(source, market)
    orders = [read([path]) for path in gathered.orders]
    group = CustomerGroup(read([gathered.customers]), orders, catalogue, source.cut_off(market))
    files, wide = [], []
    for order, body in enumerate(bodies):
        described = group.describe(order, body)
        of_article = described.lines.with_columns(group=(pl.col("article") % source.groups[market]).cast(pl.Int64))
        parts = of_article.partition_by("group", as_dict=True, include_key=False)
        dealt = {int(number): source.staging.rows(market, "described", part) for (number,), part in parts.items()}
        files.append(dealt | {NOBODY: source.staging.rows(market, "described", described.lines.clear())})
        wide.append(_keep_wide(source, market, described.wide))
    customers = group.online(bodies[0])
    customers.write_parquet(online)
    return Described(len(customers), files, wide)


def add_up(source: Source, market: str, parts: Sequence[str]) -> str:
    """Add up what the groups of customers know of the wide levels; one group's sums at a time are in memory."""
    total = _wide(parts[0])
    for path in parts[1:]:
        part = _wide(path)
        total = {level: DaySums.merged([total[level], part[level]]) for level in WIDE_LEVELS}
    return _keep_wide(source, market, total)


def complete(
    source: Source, market: str, group: int, orders: Sequence[Sequence[str]], wide: Sequence[str], folder: Path
) -> Completed:
    """Write the training rows of a group of articles, and its articles' online features."""
    catalogue = catalogue_of(source, market)
    articles: Indices = np.arange(group, len(catalogue.articles), source.groups[market])
    groups = []
    for files, sums in zip(orders, wide, strict=True):
        running: dict[str, RunningSums] = {level: one.running() for level, one in _wide(sums).items()}
        lines = read(files).sort("ordered_at", "line_id")
        groups.append(ArticleGroup.of(lines, catalogue, running, articles))
    training = pl.concat([one.training() for one in groups])
    training.write_parquet(folder / "training" / f"{group:04}.parquet", compression="lz4")
    online = groups[0].online(source.cut_off(market))
    online.write_parquet(folder / "articles" / f"{group:04}.parquet")
    return Completed(training.filter(pl.col("split") != SHUFFLED).height, len(online))


def _keep_wide(source: Source, market: str, sums: Mapping[str, DaySums]) -> str:
    arrays = {f"{level}.{name}": array for level, one in sums.items() for name, array in vars(one).items()}
    return source.staging.arrays(market, "wide", arrays)


def _wide(path: str) -> dict[str, DaySums]:
    arrays = read_arrays(path)
    return {level: DaySums(arrays[f"{level}.place"], arrays[f"{level}.values"]) for level in WIDE_LEVELS}
