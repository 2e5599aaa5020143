"""A made-up market of a few thousand lines, as polars frames: small enough to build in every test that wants one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from libs.features.catalogue import article_sizes

START = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
_DAYS = (AS_OF - START).days


@dataclass(frozen=True)
class SmallMarket:
    """The tables of one market; `lines` are orders that passed the rules, with their position and scale."""

    customers: pl.DataFrame
    articles: pl.DataFrame
    lines: pl.DataFrame
    returns: pl.DataFrame


def small_market(seed: int = 0, lines: int = 4_000, customers: int = 300, articles: int = 40) -> SmallMarket:
    """Customers with a true size order near it; what is a size off comes back, some of it late."""
    rng = np.random.default_rng(seed)
    true_size = 38 + 2 * rng.integers(0, 5, customers)
    customer = rng.integers(0, customers, lines)
    size = np.clip(true_size[customer] + 2 * rng.integers(-1, 2, lines), 36, 48)
    misfit = (size - true_size[customer]) / 2 + rng.normal(0, 0.5, lines)
    ordered = [START + timedelta(seconds=int(second)) for second in rng.integers(0, _DAYS * 86_400, lines)]
    delay = rng.integers(1, 50, lines)
    people = pl.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(customers)],
            "registered_at": [START - timedelta(days=30)] * customers,
            "gender": ["women"] * customers,
            "birth_year": pl.Series(rng.integers(1950, 2005, customers), dtype=pl.Int32),
            "height_cm": [None if rng.random() < 0.3 else float(150 + s) for s in true_size],
            "weight_kg": [None if rng.random() < 0.3 else float(20 + s) for s in true_size],
            "bust_cm": [None] * customers,
            "underbust_cm": [None] * customers,
        },
        schema_overrides=dict.fromkeys(("height_cm", "weight_kg", "bust_cm", "underbust_cm"), pl.Float64),
    )
    catalogue = pl.DataFrame(
        {
            "article_id": [f"a{i}" for i in range(articles)],
            "brand": [f"brand{i % 7}" for i in range(articles)],
            "division": ["apparel"] * articles,
            "category": [f"category{i % 3}" for i in range(articles)],
            "gender": ["women"] * articles,
            "size_system": ["EU"] * articles,
            "sizes": [[str(s) for s in range(36, 50, 2)]] * articles,
            "launched_at": [START - timedelta(days=30)] * articles,
            "online": [True] * articles,
        }
    )
    orders = pl.DataFrame(
        {
            "line_id": [f"l{i:06d}" for i in range(lines)],
            "customer_id": [f"c{i}" for i in customer],
            "article_id": [f"a{i}" for i in rng.integers(0, articles, lines)],
            "size": [str(s) for s in size],
            "ordered_at": pl.Series(ordered, dtype=pl.Datetime("us", "UTC")),
        }
    ).join(article_sizes(catalogue), on=["article_id", "size"], how="left", maintain_order="left")
    reason = np.where(misfit < -0.75, "too_small", np.where(misfit > 0.75, "too_large", "changed_mind"))
    returned = (np.abs(misfit) > 0.75) | (rng.random(lines) < 0.05)
    returns = pl.DataFrame(
        {
            "line_id": orders["line_id"],
            "returned_at": orders["ordered_at"] + pl.Series([timedelta(days=int(d)) for d in delay]),
            "reason": reason,
        }
    ).filter(pl.Series(returned))
    return SmallMarket(people, catalogue, orders, returns)
