"""The demo on the public RentTheRunway file: the same loop on real customers, without a known truth."""

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc

from infra.demo.story import Story
from libs.features.lake import Lake
from libs.features.renttherunway import import_renttherunway
from libs.features.schema import ORDERS

_MARKET = "us"


def tell(story: Story, data: Path) -> None:
    """Import, train two weeks, shadow.

    Raises:
        DataError: the file has nothing of the schema.
    """
    lake = Lake.open(story.environment.lake)
    story.console.rule("the public file as a lakehouse")
    report = import_renttherunway([data], lake, _MARKET)
    left_out = dict(report.malformed) or "none"
    story.console.print(f"{report.imported:,} of {report.lines:,} lines; left out: {left_out}")
    newest: datetime = pc.max(lake.read(ORDERS, _MARKET)["ordered_at"]).as_py()
    end = newest + timedelta(days=story.environment.market(_MARKET).label_maturity_days + 1)
    story.run_week("week 1: the first model", end - timedelta(weeks=1))
    story.meet_shoppers()
    shoppers = story.shoppers[_MARKET]
    story.show_curl(_MARKET, shoppers.customers[7], shoppers.articles[7])
    story.run_week("week 2: a new model", end)
    story.watch("the shadow window under live traffic")
