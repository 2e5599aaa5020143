"""Windows for tests: pairs of a log, counts of the routers, losses of a holdout."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from libs.base.market import ShadowWindow
from libs.models.pair_log import COMPLETE, ERROR, SCHEMA, Counts

COMMON, RARE = "basis_history_article", "basis_market_market"
WINDOW = ShadowWindow(min_pairs=400, max_hours=24, share=0.5, latency_margin=1.5)


def pairs(number: int = 2400, errors: int = 0, slower: float = 1.0, seed: int = 0) -> pl.DataFrame:
    """Requests of 20 hours by customers who ask three times each; champion takes about 2 ms."""
    champion = np.random.default_rng(seed).normal(0.002, 0.0002, number)
    frame = pl.DataFrame({"i": np.arange(number), "champion_s": champion})
    failed, answered = pl.col("i") < errors, pl.col("i") >= errors
    begin = pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC"))
    return frame.select(
        request_id=pl.format("r{}", "i"),
        customer=pl.format("h{}", pl.col("i") // 3),
        at=begin + pl.duration(seconds=30 * pl.col("i")),
        champion_version=pl.lit("1"),
        challenger_version=pl.lit("2"),
        outcome=pl.when(failed).then(pl.lit(ERROR)).otherwise(pl.lit(COMPLETE)),
        article_ids=pl.concat_list(pl.lit("a")),
        champion_sizes=pl.concat_list(pl.lit("38")),
        challenger_sizes=pl.when(answered).then(
            pl.concat_list(pl.when(pl.col("i") % 4 > 0).then(pl.lit("38")).otherwise(pl.lit("40")))
        ),
        champion_confidences=pl.concat_list(pl.lit(0.5)),
        challenger_confidences=pl.when(answered).then(pl.concat_list(pl.lit(0.5))),
        champion_s="champion_s",
        challenger_s=pl.when(answered).then(pl.col("champion_s") * slower),
        champion_batch=pl.lit(1, pl.Int32),
        challenger_batch=pl.lit(1, pl.Int32),
        slices=pl.concat_list(
            pl.lit("division_apparel"),
            pl.when(pl.col("i") % 100 == 0).then(pl.lit(RARE)).otherwise(pl.lit(COMMON)),
        ),
    ).cast(dict(pl.DataFrame(pl.from_arrow(SCHEMA.empty_table())).schema))  # type: ignore[arg-type]


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
