"""Point-in-time history: what was known of a customer, an article and a size just before each order.

Everything is a running sum over outcome events. A training row reads the sum as it stood before its order; the online
store gets the sum as it stands at the run's cut-off. Both come from the same events.
"""

from collections.abc import Sequence

import polars as pl

# The key of each level. Brands and categories are compared within a size scale: a brand's shoes say nothing of its
# shirts.
LEVEL_KEYS: dict[str, list[str]] = {
    "article": ["article_id"],
    "brand": ["brand", "scale"],
    "category": ["category", "scale"],
    "market": ["scale"],
}
CUSTOMER_KEY = ["customer_id", "scale"]
SIZE_KEY = ["article_id", "position"]

# The gap is rounded to the grid of the size positions, so that its sums stay exact.
_GRID = 64.0


def customer_events(events: pl.DataFrame) -> pl.DataFrame:
    """What each outcome event adds to its customer's statistics on the scale."""
    position = pl.col("position")
    return events.select(
        *CUSTOMER_KEY,
        "known_at",
        kept_n=pl.col("fit"),
        kept_sum=pl.col("fit") * position,
        kept_sum_of_squares=pl.col("fit") * position * position,
        small_n=pl.col("small"),
        small_sum=pl.col("small") * position,
        large_n=pl.col("large"),
        large_sum=pl.col("large") * position,
    )


def with_gap(lines: pl.DataFrame) -> pl.DataFrame:
    """Add how far each line's size lies from what its customer had kept before; null without such history."""
    usual = pl.col("kept_sum") / pl.col("kept_n")
    gap = ((pl.col("position") - usual) * _GRID).round() / _GRID
    return lines.with_columns(gap=pl.when(pl.col("kept_n") > 0).then(gap))


def level_events(events: pl.DataFrame, level: str) -> pl.DataFrame:
    """What each outcome event adds to the statistics of one level; the events need `gap`."""
    has_gap = pl.col("gap").is_not_null().cast(pl.Float64)
    return events.select(
        *LEVEL_KEYS[level],
        "known_at",
        n=pl.col("small") + pl.col("fit") + pl.col("large"),
        small_n=pl.col("small"),
        large_n=pl.col("large"),
        kept_n=pl.col("fit"),
        kept_sum=pl.col("fit") * pl.col("position"),
        gap_n=pl.col("fit") * has_gap,
        gap_sum=pl.col("fit") * pl.col("gap").fill_null(0.0),
    )


def size_events(events: pl.DataFrame, article_sizes: pl.DataFrame) -> pl.DataFrame:
    """What each misfit adds to every size of its article: one that was too small speaks of the smaller sizes too."""
    misfits = events.filter((pl.col("small") != 0) | (pl.col("large") != 0)).select(
        "article_id", "known_at", "small", "large", worn=pl.col("position")
    )
    return misfits.join(article_sizes.select(SIZE_KEY), on="article_id", maintain_order="left").select(
        *SIZE_KEY,
        "known_at",
        small_at_or_above=pl.col("small") * (pl.col("position") <= pl.col("worn")),
        large_at_or_below=pl.col("large") * (pl.col("position") >= pl.col("worn")),
    )


def known_before(lines: pl.DataFrame, events: pl.DataFrame, key: Sequence[str], prefix: str = "") -> pl.DataFrame:
    """Add to each line the sums of its key's events as they were known strictly before `ordered_at`.

    Shape: lines (n, k), sorted by ordered_at -> (n, k + values); a key without events gets zeros.
    """
    values = [name for name in events.columns if name not in (*key, "known_at")]
    running = (
        events.sort("known_at", maintain_order=True)
        .with_columns(pl.col(values).cum_sum().over(key))
        .rename({name: prefix + name for name in values})
    )
    joined = lines.join_asof(
        running,
        left_on="ordered_at",
        right_on="known_at",
        by=list(key),
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return joined.drop("known_at").with_columns(pl.col([prefix + name for name in values]).fill_null(0.0))


def known_now(events: pl.DataFrame, key: Sequence[str], prefix: str = "") -> pl.DataFrame:
    """The sums of every key's events: what `known_before` would say of an order placed at the cut-off."""
    values = [name for name in events.columns if name not in (*key, "known_at")]
    return events.group_by(key).agg(pl.col(values).sum()).rename({name: prefix + name for name in values})
