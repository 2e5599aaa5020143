"""Point-in-time history: what was known of a customer, an article and a size just before each order.

Everything is a running sum over outcome events. A training row reads the sum as it stood before its order; the online
store gets the sum as it stands at the run's cut-off. Both come from the same events.
"""

from collections.abc import Sequence

import polars as pl

from libs.features.columns import HISTORY_COUNTS, HISTORY_KEY
from libs.features.outcomes import OUTCOMES

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

WORN = ("kept", "small", "large")
# What the body suggests counts as much as this many kept purchases.
_BODY_N = 2.0
# Gaps are rounded to the grid of the size positions, so that their sums stay exact.
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


def entry_events(events: pl.DataFrame) -> pl.DataFrame:
    """What each outcome event adds to its customer's history entry of that scale, position and brand."""
    return events.select(
        "customer_id",
        "known_at",
        history_scale=pl.col("scale").cast(pl.Int64),
        history_position="position",
        history_brand="brand",
        history_kept="fit",
        history_small="small",
        history_large="large",
    )


def with_gap(lines: pl.DataFrame) -> pl.DataFrame:
    """Add `gap`: how far each line's size lies from the one expected of its customer; null where none is.

    Expected is the mean of the sizes the customer had bought before, whatever came of them, and of what the body
    suggests as a prior.
    """
    body = pl.col("body_position")
    worn_n, worn_sum = (pl.sum_horizontal(f"{outcome}_{part}" for outcome in WORN) for part in ("n", "sum"))
    with_body = (worn_sum + _BODY_N * body) / (worn_n + _BODY_N)
    without = pl.when(worn_n > 0).then(worn_sum / worn_n)
    expected = pl.coalesce(with_body, without)
    return lines.with_columns(gap=((pl.col("position") - expected) * _GRID).round() / _GRID)


def level_events(events: pl.DataFrame, level: str) -> pl.DataFrame:
    """What each outcome event adds to the statistics of one level; the events need `gap`."""
    has_gap = pl.col("gap").is_not_null().cast(pl.Float64)
    gap = pl.col("gap").fill_null(0.0)
    named = {"kept": "fit", "small": "small", "large": "large"}
    return events.select(
        *LEVEL_KEYS[level],
        "known_at",
        n=pl.sum_horizontal(OUTCOMES),
        small_n="small",
        large_n="large",
        kept_n="fit",
        **{f"{name}_sum": pl.col(outcome) * pl.col("position") for name, outcome in named.items()},
        **{f"{name}_gap_n": pl.col(outcome) * has_gap for name, outcome in named.items()},
        **{f"{name}_gap_sum": pl.col(outcome) * gap for name, outcome in named.items()},
    )


def size_events(events: pl.DataFrame, article_sizes: pl.DataFrame) -> pl.DataFrame:
    """What each outcome adds to every size of its article: one that was too small speaks of the smaller sizes too."""
    outcomes = events.select("article_id", "known_at", *OUTCOMES, worn=pl.col("position"))
    at_or_below = (pl.col("position") <= pl.col("worn")).cast(pl.Float64)
    at_or_above = (pl.col("position") >= pl.col("worn")).cast(pl.Float64)
    at = at_or_below * at_or_above
    return outcomes.join(article_sizes.select(SIZE_KEY), on="article_id", maintain_order="left").select(
        *SIZE_KEY,
        "known_at",
        small_at_or_above=pl.col("small") * at_or_below,
        not_small_at_or_below=(pl.col("fit") + pl.col("large")) * at_or_above,
        large_at_or_below=pl.col("large") * at_or_above,
        not_large_at_or_above=(pl.col("fit") + pl.col("small")) * at_or_below,
        small_at=pl.col("small") * at,
        large_at=pl.col("large") * at,
        lines_at=pl.sum_horizontal(OUTCOMES) * at,
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


def entries_before(lines: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Add to each line its customer's history on its scale as it was known strictly before `ordered_at`, in lists.

    Shape: lines (n, k) with line_id, customer_id, scale, ordered_at -> (n, k + HISTORY_KEY + HISTORY_COUNTS).
    """
    asked = lines.select("line_id", "customer_id", "ordered_at", history_scale=pl.col("scale").cast(pl.Int64))
    pairs = asked.join(entries, on=["customer_id", "history_scale"]).filter(pl.col("known_at") < pl.col("ordered_at"))
    return _with_lists(lines, _listed(pairs, "line_id"), "line_id")


def entries_now(customers: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Add to each customer the whole history on all scales, in lists."""
    return _with_lists(customers, _listed(entries, "customer_id"), "customer_id")


def _listed(entries: pl.DataFrame, owner: str) -> pl.DataFrame:
    """Add up entries of one key and drop those that late returns took back; one row per owner, entries in key order."""
    counts = pl.col(HISTORY_COUNTS)
    return (
        entries.group_by(owner, *HISTORY_KEY)
        .agg(counts.sum())
        .filter(pl.any_horizontal(counts != 0))
        .sort(owner, *HISTORY_KEY)
        .group_by(owner, maintain_order=True)
        .agg(pl.col(HISTORY_KEY), counts)
    )


def _with_lists(rows: pl.DataFrame, lists: pl.DataFrame, owner: str) -> pl.DataFrame:
    empty = {name: pl.lit([], dtype=lists.schema[name]) for name in (*HISTORY_KEY, *HISTORY_COUNTS)}
    return rows.join(lists, on=owner, how="left", maintain_order="left").with_columns(
        pl.col(name).fill_null(nothing) for name, nothing in empty.items()
    )
