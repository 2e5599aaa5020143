"""What was promoted goes back when its live answers are surely beyond a bound, in its first hours only."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from apps.shadow.guard import guarded
from apps.shadow.live import judge_live
from libs.base.market import Market, ShadowWindow
from libs.base.rollout import Guard, PinnedRollout
from libs.models.history import History
from libs.models.ledger import Entry
from libs.models.live_counts import SCHEMA

GUARD = Guard(hours=24, max_error_share=0.01, max_mean_ms=50)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def spans(number: int, failed: int = 0, ms: float = 20.0) -> pl.DataFrame:
    """Spans of 200 requests each, of which so many failed."""
    noise = np.random.default_rng(0).normal(1.0, 0.1, number)
    rows = [("r", 10 * i, 200, failed, 200 * ms / 1000 * float(noise[i])) for i in range(number)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("found", "breach"),
    [
        (spans(0), ""),
        (spans(4000), ""),
        (spans(4000, failed=1), ""),
        (spans(3, failed=200), ""),
        (spans(6, failed=200), ""),
        (spans(7, failed=200), "100.00% of the requests failed, surely over 1.00%"),
        (spans(2000, failed=6), "3.00% of the requests failed, surely over 1.00%"),
        (spans(40, ms=500.0), ""),
        (spans(100, ms=80.0), "ms on average, surely over 50 ms"),
        (spans(4000, ms=45.0), ""),
    ],
)
def test_only_what_is_surely_beyond_a_bound_is_a_breach(found: pl.DataFrame, breach: str) -> None:
    live = judge_live(found, "2", GUARD)
    assert breach in live.breach
    assert bool(breach) == bool(live.breach)


def test_an_outage_after_good_hours_takes_longer_to_be_sure_of() -> None:
    def breach(number: int) -> str:
        outage = spans(number, failed=200).with_columns(pl.col("at") + 21_600)
        return judge_live(pl.concat([spans(2_160), outage]), "2", GUARD).breach

    assert not breach(43)
    assert breach(44)


def history(*more: tuple[str, str, str]) -> History:
    told = (("first", "1", None), ("shadow", "2", "1"), ("promote", "2", "1"), *more)
    entries = [Entry("de", action, version, before, "", at=AT.isoformat()) for action, version, before in told]  # type: ignore[arg-type]
    return History(tuple(entries))


def market(**shadow: object) -> Market:
    return Market(name="de", shadow=ShadowWindow.model_validate({"guard": GUARD} | shadow))


def test_the_champion_is_guarded_for_its_hours_also_while_another_is_shadowed() -> None:
    for past in (history(), history(("shadow", "3", "2"))):
        found = guarded(market(), past, AT + timedelta(hours=23))
        assert found is not None
        assert found.version == "2"
        assert guarded(market(), past, AT + timedelta(hours=25)) is None


def test_nobody_is_guarded_without_a_promotion_or_a_guard_after_a_rollback_or_when_pinned() -> None:
    now = AT + timedelta(hours=1)
    assert guarded(market(), History(history().entries[:2]), now) is None
    assert guarded(market(guard=None), history(), now) is None
    assert guarded(market(), history(("rollback", "1", "2")), now) is None
    assert guarded(market(rollout=PinnedRollout(policy="pinned", version=2)), history(), now) is None
