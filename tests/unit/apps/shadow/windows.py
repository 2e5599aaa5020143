"""Windows for tests: pairs of a log, counts of the routers, losses of a holdout."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from libs.base.market import ShadowWindow
from libs.models.pair_log import COMPLETE, ERROR, SCHEMA, Counts

COMMON, RARE = "basis_history_article", "basis_market_market"
WINDOW = ShadowWindow(min_pairs=400, max_hours=24, share=0.5, latency_margin=1.5)


def pairs(number: int = 2400, errors: int = 0, slower: float = 1.0, seed: int = 0) -> pl.DataFrame:
    """Requests of 20 hours by customers who ask three times each; champion takes about 2 ms."""
    rng = np.random.default_rng(seed)
    champion = rng.normal(0.002, 0.0002, number)
    failed = np.arange(number) < errors
    return pl.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(number)],
            "customer": [f"h{i // 3}" for i in range(number)],
            "at": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=30 * i) for i in range(number)],
            "champion_version": "1",
            "challenger_version": "2",
            "outcome": np.where(failed, ERROR, COMPLETE),
            "article_ids": [["a"]] * number,
            "champion_sizes": [["38"]] * number,
            "challenger_sizes": [None if one else ["38" if i % 4 else "40"] for i, one in enumerate(failed)],
            "champion_confidences": [[0.5]] * number,
            "challenger_confidences": [None if one else [0.5] for one in failed],
            "champion_s": champion,
            "challenger_s": [None if one else value for one, value in zip(failed, champion * slower, strict=True)],
            "champion_batch": 1,
            "challenger_batch": 1,
            "slices": [["division_apparel", RARE if i % 100 == 0 else COMMON] for i in range(number)],
        },
        schema=pl.DataFrame(pl.from_arrow(SCHEMA.empty_table())).schema,
    )


def losses(better_by: float, lines: int = 6000, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    champion = rng.gamma(2, 0.3, lines)
    return pl.DataFrame(
        {
            "customer": [i // 2 for i in range(lines)],
            "champion": champion,
            "challenger": champion - better_by + rng.normal(0, 0.15, lines),
        }
    )


def counts_for(frame: pl.DataFrame, lost: int = 0) -> Counts:
    expected = len(frame) + lost
    return Counts(requests=2 * expected, expected=expected, customers=700, customers_sampled=350)
