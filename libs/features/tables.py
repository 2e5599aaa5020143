"""From one market's lines to its three feature tables: training rows, customers, articles."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from libs.base.market import Market
from libs.features.columns import (
    ARTICLE_STATISTICS,
    CUSTOMER_BODY,
    CUSTOMER_STATISTICS,
    LEVELS,
    SIZE_STATISTICS,
)
from libs.features.history import (
    CUSTOMER_KEY,
    LEVEL_KEYS,
    SIZE_KEY,
    customer_events,
    known_before,
    known_now,
    level_events,
    size_events,
    with_gap,
)
from libs.features.outcomes import outcome_events, with_outcomes
from libs.features.sizes import SCALES, position, scale_of

# How a training row may be used. The windows are cut by order time, so that every later row is unseen by all before.
TRAIN, CALIBRATION, HOLDOUT = "train", "calibration", "holdout"


@dataclass(frozen=True)
class MarketFeatures:
    """What preprocessing hands on.

    Shapes: `training` one row per labelled mature line, with its sizes in lists (all sizes of the article in the
    holdout, the bought one elsewhere); `customers` one row per registered customer, its statistics in lists over
    `SCALES`; `articles` one row per online article, its size statistics in lists over its sizes.
    """

    training: pl.DataFrame
    customers: pl.DataFrame
    articles: pl.DataFrame


@dataclass(frozen=True)
class Windows:
    """When each split begins; the last ends with the last mature order."""

    calibration_from: datetime
    holdout_from: datetime
    mature_until: datetime


def windows(market: Market, as_of: datetime) -> Windows:
    """Cut the market's mature span, counted back from the last day that is mature at `as_of`."""
    mature_until = as_of - timedelta(days=market.label_maturity_days)
    holdout_from = mature_until - timedelta(days=market.training.holdout_days)
    return Windows(holdout_from - timedelta(days=market.training.calibration_days), holdout_from, mature_until)


def article_sizes(articles: pl.DataFrame) -> pl.DataFrame:
    """One row per article and size that can be placed: article_id, size, position, scale, in size order.

    Two labels at one position are one size: the first one named stays.
    """
    sizes = articles.select("article_id", "division", "gender", "size_system", size="sizes").explode("size")
    positions = [
        position(scale_of(division, gender), system, size) if size is not None else None
        for _, division, gender, system, size in sizes.iter_rows()
    ]
    scales = [SCALES.index(scale_of(division, gender)) for division, gender in sizes["division", "gender"].iter_rows()]
    return (
        sizes.select("article_id", "size")
        .with_columns(
            pl.Series("position", positions, pl.Float64),
            pl.Series("scale", scales, pl.Int8),
        )
        .drop_nulls("position")
        .unique(SIZE_KEY, keep="first", maintain_order=True)
        .sort(SIZE_KEY)
    )


def build_tables(
    market: Market,
    lines: pl.DataFrame,
    returns: pl.DataFrame,
    customers: pl.DataFrame,
    articles: pl.DataFrame,
    as_of: datetime,
) -> MarketFeatures:
    """Compute all features of one market.

    Args:
        lines: order lines that passed the rules, with `position` and `scale`.
        returns, customers, articles: the tables of the lakehouse.
        as_of: the run's cut-off; nothing that happened at or after it is read.
    """
    sizes = article_sizes(articles)
    dated = with_outcomes(
        lines.join(articles.select("article_id", "brand", "category", "division"), on="article_id"),
        returns,
        market.label_maturity_days,
        as_of,
    ).sort("ordered_at", "line_id")
    by_customer = customer_events(outcome_events(dated))
    dated = with_gap(known_before(dated, by_customer, CUSTOMER_KEY))
    events = outcome_events(dated)
    by_level = {level: level_events(events, level) for level in LEVELS}
    by_size = size_events(events, sizes)
    return MarketFeatures(
        training=_training(market, dated, customers, sizes, by_level, by_size, as_of),
        customers=_customers(customers, by_customer, as_of),
        articles=_articles(articles, sizes, by_level, by_size, as_of),
    )


def _training(
    market: Market,
    dated: pl.DataFrame,
    customers: pl.DataFrame,
    sizes: pl.DataFrame,
    by_level: dict[str, pl.DataFrame],
    by_size: pl.DataFrame,
    as_of: datetime,
) -> pl.DataFrame:
    span = windows(market, as_of)
    rows = (
        dated.filter(pl.col("outcome").is_not_null())
        .join(customers.select("customer_id", *CUSTOMER_BODY), on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col(CUSTOMER_BODY).cast(pl.Float64))
        .with_columns(
            split=pl.when(pl.col("ordered_at") >= span.holdout_from)
            .then(pl.lit(HOLDOUT))
            .when(pl.col("ordered_at") >= span.calibration_from)
            .then(pl.lit(CALIBRATION))
            .otherwise(pl.lit(TRAIN))
        )
    )
    for level, level_rows in by_level.items():
        rows = known_before(rows, level_rows, LEVEL_KEYS[level], f"{level}_")
    return rows.join(_candidates(rows, sizes, by_size), on="line_id", maintain_order="left").select(
        "line_id",
        "customer_id",
        "article_id",
        "division",
        "ordered_at",
        "outcome",
        "split",
        "scale",
        *CUSTOMER_BODY,
        *CUSTOMER_STATISTICS,
        *ARTICLE_STATISTICS,
        "bought",
        "sizes",
        "positions",
        *SIZE_STATISTICS,
    )


def _candidates(rows: pl.DataFrame, sizes: pl.DataFrame, by_size: pl.DataFrame) -> pl.DataFrame:
    """The sizes each row is asked about: all of its article in the holdout, where the best must be found."""
    lines = rows.select("line_id", "article_id", "ordered_at", "split", bought_position="position")
    candidates = lines.join(sizes, on="article_id", maintain_order="left").filter(
        (pl.col("split") == HOLDOUT) | (pl.col("position") == pl.col("bought_position"))
    )
    known = known_before(candidates, by_size, SIZE_KEY)
    return known.group_by("line_id", maintain_order=True).agg(
        (pl.col("position") == pl.col("bought_position")).arg_max().cast(pl.Int32).alias("bought"),
        pl.col("size").alias("sizes"),
        pl.col("position").alias("positions"),
        *(pl.col(name) for name in SIZE_STATISTICS),
    )


def _customers(customers: pl.DataFrame, by_customer: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Every registered customer, also one without any history: it is known, only new."""
    registered = customers.filter(pl.col("registered_at") < as_of).select(
        "customer_id", pl.col(CUSTOMER_BODY).cast(pl.Float64)
    )
    statistics = known_now(by_customer, CUSTOMER_KEY)
    every_scale = (
        statistics.select("customer_id")
        .unique(maintain_order=True)
        .join(pl.DataFrame({"scale": range(len(SCALES))}, schema={"scale": pl.Int8}), how="cross")
        .join(statistics, on=CUSTOMER_KEY, how="left", maintain_order="left")
        .with_columns(pl.col(CUSTOMER_STATISTICS).fill_null(0.0))
        .group_by("customer_id", maintain_order=True)
        .agg(CUSTOMER_STATISTICS)
    )
    nothing = [0.0] * len(SCALES)
    return (
        registered.join(every_scale, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col(name).fill_null(nothing) for name in CUSTOMER_STATISTICS)
        .sort("customer_id")
    )


def _articles(
    articles: pl.DataFrame,
    sizes: pl.DataFrame,
    by_level: dict[str, pl.DataFrame],
    by_size: pl.DataFrame,
    as_of: datetime,
) -> pl.DataFrame:
    """Every online article that has a size on its scale."""
    per_size = (
        sizes.join(known_now(by_size, SIZE_KEY), on=SIZE_KEY, how="left", maintain_order="left")
        .with_columns(pl.col(SIZE_STATISTICS).fill_null(0.0))
        .group_by("article_id", "scale", maintain_order=True)
        .agg(
            pl.col("size").alias("sizes"),
            pl.col("position").alias("positions"),
            *(pl.col(name) for name in SIZE_STATISTICS),
        )
    )
    rows = (
        articles.filter(pl.col("online") & (pl.col("launched_at") < as_of))
        .select("article_id", "brand", "category", "division")
        .join(per_size, on="article_id", maintain_order="left")
    )
    for level, level_rows in by_level.items():
        key = LEVEL_KEYS[level]
        rows = rows.join(known_now(level_rows, key, f"{level}_"), on=key, how="left", maintain_order="left")
    return rows.with_columns(pl.col(ARTICLE_STATISTICS).fill_null(0.0), pl.col("scale").cast(pl.Int64)).sort(
        "article_id"
    )
