"""Pairs for the tests of the pair log."""

from datetime import UTC, datetime, timedelta

from libs.models.pair_log import COMPLETE, Pair
from libs.models.pair_writer import PairLog


def pair(number: int) -> Pair:
    """A pair of its own customer, the later the higher its number."""
    return Pair(
        request_id=f"r{number}",
        customer=f"h{number}",
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
        champion_version="1",
        challenger_version="2",
        outcome=COMPLETE,
        article_ids=["a"],
        champion_sizes=["38"],
        challenger_sizes=["40"],
        champion_confidences=[0.5],
        challenger_confidences=[0.6],
        champion_s=0.001,
        challenger_s=0.002,
        champion_batch=1,
        challenger_batch=1,
        slices=["division_apparel"],
    )


def add(log: PairLog, window: str, *pairs: Pair) -> None:
    """Add pairs of market de."""
    log.add("de", window, len(pairs), lambda: pairs)
