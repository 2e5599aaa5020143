"""From a market's lines to its three feature tables: training rows, customers, articles.

A line meets what is known of its customer first and what is known of its article then. Between the two, all that has to
be added up over a whole market are the regressions on the body and the sums of brands, categories and scales; so lines
may be divided up by customer before, and by article after, and give the same tables bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from libs.base.market import Market
from libs.features.arrays import Flags, Floats, Indices, lists, offsets_of, ranges
from libs.features.article_history import SizeSums, level_statistics, level_values, wide_sums
from libs.features.body import BodySizes, BodySums
from libs.features.catalogue import Catalogue
from libs.features.columns import (
    CUSTOMER_BODY,
    HISTORY_COUNTS,
    HISTORY_KEY,
    LEVEL_STATISTICS,
    LEVELS,
    SIZE_RANGE,
    SIZE_STATISTICS,
)
from libs.features.customer_history import Histories
from libs.features.market_time import local, local_time
from libs.features.outcomes import NO_OUTCOME, OUTCOMES, Events, with_outcomes
from libs.features.running_sums import NOW, DaySums, RunningSums, day_of
from libs.features.shuffle import DayCounts, in_shuffled_order
from libs.features.sizes import SCALES
from libs.features.splits import SHUFFLED, TRAIN, windows

# What the body suggests counts as much as this many kept purchases.
_BODY_N = 2.0
# Gaps are rounded to the grid of the size positions, so that their sums stay exact.
_GRID = 64.0


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


def build_tables(
    market: Market,
    lines: pl.DataFrame,
    returns: pl.DataFrame,
    customers: pl.DataFrame,
    articles: pl.DataFrame,
    as_of: datetime,
) -> MarketFeatures:
    """Compute all features of one market at once.

    Args:
        lines: order lines that passed the rules.
        returns, customers, articles: the tables of the lakehouse.
        as_of: the run's cut-off; nothing that happened at or after it is read.
    """
    zone, as_of = market.time_zone, local_time(as_of, market.time_zone)
    lines, returns = lines.with_columns(local("ordered_at", zone)), returns.with_columns(local("returned_at", zone))
    customers = customers.with_columns(local("registered_at", zone))
    articles = articles.with_columns(local("launched_at", zone))
    catalogue = Catalogue.of(articles)
    numbered = catalogue.numbered(lines.select("line_id", "customer_id", "article_id", "size", "ordered_at"))
    dated = with_outcomes(numbered, returns, market.label_maturity_days, as_of)
    days = DayCounts.of(dated, windows(market, as_of).calibration_from)
    group = CustomerGroup.of(dated, customers, catalogue, market, as_of, days)
    bodies = [sums.solve(as_of) for sums in group.body_sums()]
    described = [group.describe(order, body) for order, body in enumerate(bodies)]
    wide = [{level: sums.running() for level, sums in one.wide.items()} for one in described]
    everything = np.arange(len(articles))
    of_articles = [
        ArticleGroup.of(one.lines, catalogue, sums, everything) for one, sums in zip(described, wide, strict=True)
    ]
    return MarketFeatures(
        training=pl.concat([one.training() for one in of_articles]),
        customers=group.online(bodies[0]),
        articles=of_articles[0].online(as_of),
    )


@dataclass(frozen=True)
class Described:
    """One order of time of a group of customers: its lines with what is known of their customers, and their part of
    the sums of the wide levels.
    """

    lines: pl.DataFrame
    wide: dict[str, DaySums]


@dataclass(frozen=True)
class CustomerGroup:
    """Some customers of a market, with all of their lines.

    `customers` is (c) in the order of their ids, guests without registration last; `orders` are the orders of time in
    which the lines are described, the true one first.
    """

    customers: pl.DataFrame
    orders: Sequence[pl.DataFrame]
    catalogue: Catalogue
    as_of: datetime

    @classmethod
    def of(
        cls,
        lines: pl.DataFrame,
        customers: pl.DataFrame,
        catalogue: Catalogue,
        market: Market,
        as_of: datetime,
        days: DayCounts,
    ) -> "CustomerGroup":
        """Number the customers and lay out the orders of time; `days` is the whole market's."""
        registered = customers.sort("customer_id").select(
            "customer_id", "registered_at", pl.col(CUSTOMER_BODY).cast(pl.Float64)
        )
        guests = lines.select("customer_id").unique().join(registered, on="customer_id", how="anti").sort("customer_id")
        everyone = pl.concat([registered, guests], how="diagonal").with_columns(
            customer=pl.int_range(pl.len(), dtype=pl.UInt32)
        )
        span = windows(market, as_of)
        known = (
            lines.filter(pl.col("position").is_not_null() & (pl.col("first_outcome") != NO_OUTCOME))
            .join(everyone.drop("registered_at"), on="customer_id", how="left", maintain_order="left")
            .with_columns(split=span.split())
            .sort("ordered_at", "line_id")
        )
        shuffled = (
            in_shuffled_order(known, span.calibration_from, seed, days).sort("ordered_at", "line_id")
            for seed in range(market.training.shuffled_orders)
        )
        return cls(everyone, [known, *shuffled], catalogue, as_of)

    def body_sums(self) -> list[BodySums]:
        """By order of time, the group's part of what the regressions on the body are solved from."""
        return [BodySums.of(Events.of(lines), lines) for lines in self.orders]

    def describe(self, order: int, body: BodySizes) -> Described:
        """Add to the lines of one order what is known of their customers when their day begins."""
        lines = self.orders[order]
        events, day = Events.of(lines), day_of(lines["ordered_at"])
        customer, scale, article = (_numbers(lines, name) for name in ("customer", "scale", "article"))
        position = lines["position"].to_numpy()
        suggested = body.positions(lines, scale, lines["ordered_at"])
        expected = _expected(events, customer * len(SCALES) + scale, day, position, suggested)
        gap = np.round((position - expected) * _GRID) / _GRID
        found = lines.drop("customer", "position", "scale").with_columns(
            pl.Series("body_position", suggested).fill_nan(None),
            pl.Series("gap", gap),
            *self._histories(lines, events).on_scale(customer, scale, day, self.catalogue.brands),
        )
        values = level_values(events, position, gap)
        return Described(found, wide_sums(self.catalogue, events, article, values))

    def online(self, body: BodySizes) -> pl.DataFrame:
        """Every registered customer, also one without any history: it is known, only new."""
        registered = self.customers.filter(pl.col("registered_at") < self.as_of)
        customer = _numbers(registered, "customer")
        now = pl.repeat(self.as_of, len(registered), eager=True)
        suggested = [body.positions(registered, np.full(len(registered), scale), now) for scale in range(len(SCALES))]
        lines = self.orders[0]
        histories = self._histories(lines, Events.of(lines))
        return registered.select("customer_id", *CUSTOMER_BODY).with_columns(
            lists(np.arange(len(registered) + 1) * len(SCALES), np.column_stack(suggested).ravel()).alias(
                "body_positions"
            ),
            *histories.on_all_scales(customer, np.full(len(customer), NOW), self.catalogue.brands),
        )

    def _histories(self, lines: pl.DataFrame, events: Events) -> Histories:
        article = _numbers(lines, "article")
        return Histories.of(
            events,
            _numbers(lines, "customer"),
            self.catalogue.scale[article],
            lines["position"].to_numpy(),
            self.catalogue.brand[article],
            len(self.customers),
        )


def _expected(events: Events, owner: Indices, day: Indices, position: Floats, suggested: Floats) -> Floats:
    """The size position expected of each line's customer; (n,), NaN where nothing is known of it.

    It is the mean of the sizes the customer had bought before, whatever came of them, and of what the body suggests as
    a prior.
    """
    worn = events.signs.sum(axis=1)
    values = np.column_stack([worn, worn * position[events.line]])
    n, total = DaySums.of(owner[events.line], events.day, values).running().known(owner, day).T
    without = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
    expected: Floats = np.where(np.isnan(suggested), without, (total + _BODY_N * suggested) / (n + _BODY_N))
    return expected


@dataclass(frozen=True)
class ArticleGroup:
    """Some articles of a market, with all of their lines in one order of time, as `CustomerGroup` described them.

    `articles` holds the numbers of the group's articles; `levels` knows the whole market's wide levels and the group's
    own articles, `sizes` their sizes.
    """

    lines: pl.DataFrame
    catalogue: Catalogue
    articles: Indices
    levels: Mapping[str, RunningSums]
    sizes: SizeSums

    @classmethod
    def of(
        cls, lines: pl.DataFrame, catalogue: Catalogue, wide: Mapping[str, RunningSums], articles: Indices
    ) -> "ArticleGroup":
        """Add up what the lines say of their articles."""
        events = Events.of(lines)
        article, rank = _numbers(lines, "article"), _numbers(lines, "rank")
        position = catalogue.positions[catalogue.offsets[article] + rank]
        values = level_values(events, position, lines["gap"].to_numpy())
        own = DaySums.of(article[events.line], events.day, values).running()
        return cls(lines, catalogue, articles, {"article": own, **wide}, SizeSums.of(catalogue, events, article, rank))

    def training(self) -> pl.DataFrame:
        """The labelled lines with everything that was known when their day began."""
        rows = self.lines.filter(pl.col("outcome") != NO_OUTCOME)
        article, day = _numbers(rows, "article"), day_of(rows["ordered_at"])
        return rows.select(
            "line_id",
            "customer_id",
            "ordered_at",
            pl.col("outcome").replace_strict(dict(enumerate(OUTCOMES)), return_dtype=pl.String),
            "split",
            *CUSTOMER_BODY,
            "body_position",
            *HISTORY_KEY,
            *HISTORY_COUNTS,
        ).with_columns(
            *self._of_articles(article),
            *self._levels(article, day),
            *self._sizes(article, day, _numbers(rows, "rank"), rows["split"].is_in([TRAIN, SHUFFLED]).to_numpy()),
        )

    def online(self, as_of: datetime) -> pl.DataFrame:
        """Every online article that has a size on its scale."""
        sold = self.catalogue.articles.select(pl.col("online") & (pl.col("launched_at") < as_of)).to_series().to_numpy()
        article = self.articles[sold[self.articles] & (self.catalogue.size_counts[self.articles] > 0)]
        now = np.full(len(article), NOW)
        sizes = self._sizes(article, now, np.zeros(len(article), np.int64), np.zeros(len(article), np.bool_))
        return pl.DataFrame([*self._of_articles(article), *self._levels(article, now), *sizes]).drop("bought")

    def _of_articles(self, article: Indices) -> list[pl.Series]:
        named = self.catalogue.articles["article_id", "brand", "category", "division"][article].get_columns()
        return [
            *named,
            pl.Series("scale", self.catalogue.scale[article]),
            *_columns(SIZE_RANGE, self.catalogue.size_range()[article]),
        ]

    def _levels(self, article: Indices, day: Indices) -> list[pl.Series]:
        found = level_statistics(self.catalogue, self.levels, article, day)
        return [
            column
            for level in LEVELS
            for column in _columns([f"{level}_{name}" for name in LEVEL_STATISTICS], found[level])
        ]

    def _sizes(self, article: Indices, day: Indices, rank: Indices, only_bought: Flags) -> list[pl.Series]:
        """The sizes each row is asked about, in lists: all of its article, or the bought one alone."""
        counts = np.where(only_bought, 1, self.catalogue.size_counts[article])
        offsets, owner = offsets_of(counts), np.repeat(np.arange(len(article)), counts)
        asked = ranges(np.where(only_bought, rank, 0), counts)
        size = self.catalogue.offsets[article[owner]] + asked
        found = self.sizes.statistics(article[owner], day[owner], asked)
        return [
            pl.Series("bought", np.where(only_bought, 0, rank), pl.Int32),
            lists(offsets, self.catalogue.sizes["size"].gather(size)).alias("sizes"),
            lists(offsets, self.catalogue.positions[size]).alias("positions"),
            *(lists(offsets, column).alias(column.name) for column in _columns(SIZE_STATISTICS, found)),
        ]


def _columns(names: Sequence[str], values: Floats) -> list[pl.Series]:
    return [pl.Series(name, np.ascontiguousarray(column)) for name, column in zip(names, values.T, strict=True)]


def _numbers(rows: pl.DataFrame, name: str) -> Indices:
    return rows[name].cast(pl.Int64).to_numpy()
