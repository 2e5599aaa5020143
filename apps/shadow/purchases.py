"""What was bought after a logged request, and what came of it: the lines that a second verdict is told from.

Labels have a fixed maturity: every line is looked at when it is `label_maturity_days` old and not before, and what
comes back later changes nothing. So no line is called kept because its return is still under way, and an early one is
not followed for longer than a late one.
"""

from datetime import datetime, timedelta

import polars as pl

from libs.base.market import Market
from libs.features.market_time import local, local_time
from libs.features.outcomes import with_outcomes
from libs.models.pair_log import COMPLETE
from libs.models.sampling import pseudonym


def purchases(
    pairs: pl.DataFrame, orders: pl.DataFrame, returns: pl.DataFrame, secret: bytes, market: Market, until: datetime
) -> pl.DataFrame:
    """The lines of the first order of each asked article within `attribution_days` of the last request before it.

    Args:
        pairs: the pair log of a window; only complete pairs say what both models named.
        orders, returns: the tables of the lakehouse.
        secret: the key of the customers' pseudonyms.
        until: what happened at or after it is not known.

    Shape: one row a line: `line_id`, `customer` (pseudonym), `matured_at` by the market's clock, `mature`, `outcome`
    (an index of `OUTCOMES`, or `NO_OUTCOME`), and where it stands to what was shown. `same_size`: champion and
    challenger named the same size, or none. `not_followed`: another size than the champion's was bought. `led`: the
    champion's was, and the challenger had named another.
    """
    zone = market.time_zone
    dated = with_outcomes(
        _attributed(pairs, orders, secret, market).with_columns(local("ordered_at", zone)),
        returns.with_columns(local("returned_at", zone)),
        market.label_maturity_days,
        local_time(until, zone),
    )
    same = pl.col("champion").eq_missing(pl.col("challenger"))
    shown = pl.col("size").eq_missing(pl.col("champion"))
    return dated.select(
        "line_id",
        "customer",
        "matured_at",
        mature=pl.col("matured_at") < local_time(until, zone),
        outcome="first_outcome",
        same_size=same,
        not_followed=~shown,
        led=shown & ~same,
    )


def _attributed(pairs: pl.DataFrame, orders: pl.DataFrame, secret: bytes, market: Market) -> pl.DataFrame:
    asked, span = _asked(pairs), timedelta(days=market.shadow.second_verdict.attribution_days)
    near = orders.join(asked.select("article_id").unique(), on="article_id", how="semi").filter(
        pl.col("ordered_at").is_between(asked["at"].min(), (asked["at"] + span).max())
    )
    known = near.select(pl.col("customer_id").unique()).with_columns(
        customer=pl.col("customer_id").map_elements(lambda one: pseudonym(one, secret), return_dtype=pl.String)
    )
    bought = near.join(known, on="customer_id").sort("ordered_at")
    lines = bought.join_asof(
        asked,
        left_on="ordered_at",
        right_on="at",
        by=["customer", "article_id"],
        tolerance=span,
        coalesce=False,
        check_sortedness=False,
    ).drop_nulls("at")
    first = pl.col("ordered_at").min().over("customer", "article_id", "at")
    return lines.filter(pl.col("ordered_at") == first)


def _asked(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per article of the complete pairs, in the order of time."""
    return (
        pairs.filter(pl.col("outcome") == COMPLETE)
        .select("customer", "at", article_id="article_ids", champion="champion_sizes", challenger="challenger_sizes")
        .explode("article_id", "champion", "challenger")
        .sort("at")
    )
