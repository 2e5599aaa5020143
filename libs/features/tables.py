"""From one market's lines to its three feature tables: training rows, customers, articles."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from libs.base.market import Market
from libs.features.body import BodySizes, fit_body_sizes
from libs.features.columns import (
    ARTICLE_STATISTICS,
    CUSTOMER_BODY,
    CUSTOMER_STATISTICS,
    HISTORY_COUNTS,
    HISTORY_KEY,
    LEVELS,
    SIZE_RANGE,
    SIZE_STATISTICS,
)
from libs.features.history import (
    CUSTOMER_KEY,
    LEVEL_KEYS,
    SIZE_KEY,
    customer_events,
    entries_before,
    entries_now,
    entry_events,
    known_before,
    known_now,
    level_events,
    size_events,
    with_gap,
)
from libs.features.outcomes import outcome_events, with_outcomes
from libs.features.shuffle import in_shuffled_order
from libs.features.sizes import SCALES, position, scale_of

# How a training row may be used. The windows are cut by order time, so that every later row is unseen by all before.
TRAIN, CALIBRATION, HOLDOUT = "train", "calibration", "holdout"
# Train lines once more, with the history they would have had in another order of time.
SHUFFLED = "shuffled"


@dataclass(frozen=True)
class MarketFeatures:
    """What preprocessing hands on.

    Shapes: `training` one row per labelled mature line, with its customer's history in lists and its sizes in lists
    (the bought one in training, all sizes of the article in calibration and holdout), and after them each train line
    again for every shuffled order, `ordered_at` being the moment drawn for it; `customers` one row per
    registered customer, its history in lists, its `body_positions` over `SCALES`; `articles` one row per online
    article, its size statistics in lists over its sizes.
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
    bodies = customers.select("customer_id", pl.col(CUSTOMER_BODY).cast(pl.Float64))
    dated = (
        with_outcomes(
            lines.join(articles.select("article_id", "brand", "category", "division"), on="article_id"),
            returns,
            market.label_maturity_days,
            as_of,
        )
        .join(bodies, on="customer_id", how="left", maintain_order="left")
        .sort("ordered_at", "line_id")
    )
    history = _history(dated, sizes, as_of)
    span = windows(market, as_of)
    orders = [
        _training(
            _history(in_shuffled_order(dated, span.calibration_from, seed), sizes, as_of), sizes, pl.lit(SHUFFLED)
        )
        for seed in range(market.training.shuffled_orders)
    ]
    return MarketFeatures(
        training=pl.concat([_training(history, sizes, _split(span)), *orders]),
        customers=_customers(customers, history, as_of),
        articles=_articles(articles, sizes, history, as_of),
    )


@dataclass(frozen=True)
class _History:
    """Lines in the order of `ordered_at`, and everything they add to what is known of whom."""

    lines: pl.DataFrame
    entries: pl.DataFrame
    by_level: dict[str, pl.DataFrame]
    by_size: pl.DataFrame
    body_sizes: BodySizes


def _history(dated: pl.DataFrame, sizes: pl.DataFrame, until: datetime) -> _History:
    events = outcome_events(dated)
    body_sizes = fit_body_sizes(events, until)
    lines = with_gap(known_before(_with_body(dated, body_sizes), customer_events(events), CUSTOMER_KEY))
    events = outcome_events(lines)
    return _History(
        lines=lines,
        entries=entry_events(events),
        by_level={level: level_events(events, level) for level in LEVELS},
        by_size=size_events(events, sizes),
        body_sizes=body_sizes,
    )


def _with_body(lines: pl.DataFrame, body_sizes: BodySizes) -> pl.DataFrame:
    found = body_sizes.positions(lines, lines["scale"].cast(pl.Int64).to_numpy(), lines["ordered_at"])
    return lines.with_columns(body_position=pl.Series(found, dtype=pl.Float64).fill_nan(None))


def _split(span: Windows) -> pl.Expr:
    return (
        pl.when(pl.col("ordered_at") >= span.holdout_from)
        .then(pl.lit(HOLDOUT))
        .when(pl.col("ordered_at") >= span.calibration_from)
        .then(pl.lit(CALIBRATION))
        .otherwise(pl.lit(TRAIN))
    )


def _training(history: _History, sizes: pl.DataFrame, split: pl.Expr) -> pl.DataFrame:
    rows = history.lines.filter(pl.col("outcome").is_not_null()).with_columns(split=split)
    for level, level_rows in history.by_level.items():
        rows = known_before(rows, level_rows, LEVEL_KEYS[level], f"{level}_")
    rows = entries_before(rows, history.entries).join(_size_range(sizes), on="article_id", maintain_order="left")
    return rows.join(_candidates(rows, sizes, history.by_size), on="line_id", maintain_order="left").select(
        "line_id",
        "customer_id",
        "article_id",
        "brand",
        "category",
        "division",
        "ordered_at",
        "outcome",
        "split",
        "scale",
        *CUSTOMER_BODY,
        "body_position",
        *CUSTOMER_STATISTICS,
        *HISTORY_KEY,
        *HISTORY_COUNTS,
        *ARTICLE_STATISTICS,
        *SIZE_RANGE,
        "bought",
        "sizes",
        "positions",
        *SIZE_STATISTICS,
    )


def _size_range(sizes: pl.DataFrame) -> pl.DataFrame:
    """Per article `SIZE_RANGE`; the step of an article of one size is 0."""
    return sizes.group_by("article_id", maintain_order=True).agg(
        size_step=pl.col("position").diff().median().fill_null(0.0),
        size_low=pl.col("position").first(),
        size_high=pl.col("position").last(),
    )


def _candidates(rows: pl.DataFrame, sizes: pl.DataFrame, by_size: pl.DataFrame) -> pl.DataFrame:
    """The sizes each row is asked about: all of its article where the best must be found, the bought one to learn."""
    lines = rows.select("line_id", "article_id", "ordered_at", "split", bought_position="position")
    candidates = lines.join(sizes, on="article_id", maintain_order="left").filter(
        pl.col("split").is_in([CALIBRATION, HOLDOUT]) | (pl.col("position") == pl.col("bought_position"))
    )
    known = known_before(candidates, by_size, SIZE_KEY)
    return known.group_by("line_id", maintain_order=True).agg(
        (pl.col("position") == pl.col("bought_position")).arg_max().cast(pl.Int32).alias("bought"),
        pl.col("size").alias("sizes"),
        pl.col("position").alias("positions"),
        *(pl.col(name) for name in SIZE_STATISTICS),
    )


def _customers(customers: pl.DataFrame, history: _History, as_of: datetime) -> pl.DataFrame:
    """Every registered customer, also one without any history: it is known, only new."""
    registered = customers.filter(pl.col("registered_at") < as_of).select(
        "customer_id", pl.col(CUSTOMER_BODY).cast(pl.Float64)
    )
    now = pl.repeat(as_of, len(registered), eager=True)
    suggested = [
        history.body_sizes.positions(registered, np.full(len(registered), scale), now) for scale in range(len(SCALES))
    ]
    with_body = registered.with_columns(
        body_positions=pl.Series(np.column_stack(suggested), dtype=pl.Array(pl.Float64, len(SCALES))).arr.to_list()
    )
    return entries_now(with_body, history.entries).sort("customer_id")


def _articles(articles: pl.DataFrame, sizes: pl.DataFrame, history: _History, as_of: datetime) -> pl.DataFrame:
    """Every online article that has a size on its scale."""
    per_size = (
        sizes.join(known_now(history.by_size, SIZE_KEY), on=SIZE_KEY, how="left", maintain_order="left")
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
        .join(_size_range(sizes), on="article_id", maintain_order="left")
    )
    for level, level_rows in history.by_level.items():
        key = LEVEL_KEYS[level]
        rows = rows.join(known_now(level_rows, key, f"{level}_"), on=key, how="left", maintain_order="left")
    return rows.with_columns(pl.col(ARTICLE_STATISTICS).fill_null(0.0), pl.col("scale").cast(pl.Int64)).sort(
        "article_id"
    )
