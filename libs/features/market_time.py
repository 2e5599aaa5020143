"""A market's own clock. Its days begin at its midnight, and a label is mature so many of its days after the order.

Behind the door all moments of a market are what its clock showed, written as if that were UTC: days, sums by day,
windows and maturity then need no zone. Where a clock is set back, an hour's moments fall on those of the hour before;
no feature looks closer than at days.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl


def local(column: str, zone: str) -> pl.Expr:
    """A column of moments as the clock of this zone shows them."""
    return pl.col(column).dt.convert_time_zone(zone).dt.replace_time_zone("UTC")


def local_time(moment: datetime, zone: str) -> datetime:
    """One moment as the clock of this zone shows it."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)
