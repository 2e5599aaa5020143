"""Outcomes: what a line turned out to be, and from when on that is known."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from libs.features.outcomes import FIT, LARGE, NO_OUTCOME, SMALL, Events, with_outcomes

ORDERED = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MATURITY_DAYS = 28


def outcomes_of(returned_after_days: int | None, reason: str, as_of_days: int) -> dict[str, object]:
    lines = pl.DataFrame({"line_id": ["l"], "ordered_at": [ORDERED]})
    returns = pl.DataFrame(
        {
            "line_id": ["l"] if returned_after_days is not None else [],
            "returned_at": [ORDERED + timedelta(days=returned_after_days)] if returned_after_days is not None else [],
            "reason": [reason] if returned_after_days is not None else [],
        },
        schema={"line_id": pl.String, "returned_at": pl.Datetime("us", "UTC"), "reason": pl.String},
    )
    lines = lines.with_columns(pl.col("ordered_at").cast(pl.Datetime("us", "UTC")))
    dated = with_outcomes(lines, returns, MATURITY_DAYS, ORDERED + timedelta(days=as_of_days))
    row = dated.row(0, named=True)
    events = Events.of(dated)
    assert events.day.tolist() == [(at - EPOCH).days + 1 for at in events.known_at]
    signs = [(at, *signs) for at, signs in zip(events.known_at, events.signs.tolist(), strict=True)]
    return {"outcome": row["outcome"], "first": row["first_outcome"], "events": signs}


def after(days: int) -> datetime:
    return ORDERED + timedelta(days=days)


def test_a_line_that_is_not_mature_is_not_kept_but_unknown() -> None:
    assert outcomes_of(None, "", as_of_days=28) == {"outcome": NO_OUTCOME, "first": NO_OUTCOME, "events": []}


def test_a_line_nobody_returned_is_a_fit_once_mature() -> None:
    found = outcomes_of(None, "", as_of_days=29)
    assert found == {"outcome": FIT, "first": FIT, "events": [(after(28), 0.0, 1.0, 0.0)]}


@pytest.mark.parametrize(("reason", "outcome"), [("too_small", SMALL), ("too_large", LARGE)])
def test_a_return_counts_when_the_line_matures_and_not_earlier(reason: str, outcome: int) -> None:
    found = outcomes_of(5, reason, as_of_days=40)
    assert found["outcome"] == outcome
    expected = (after(28), float(outcome == SMALL), 0.0, float(outcome == LARGE))
    assert found["events"] == [expected]


def test_a_return_for_another_reason_says_nothing_of_fit() -> None:
    assert outcomes_of(5, "changed_mind", as_of_days=40) == {"outcome": NO_OUTCOME, "first": NO_OUTCOME, "events": []}


def test_a_late_return_takes_the_fit_back_when_it_arrives_and_leaves_history_before_alone() -> None:
    found = outcomes_of(49, "too_small", as_of_days=60)
    assert found["outcome"] == SMALL
    assert found["first"] == FIT
    assert found["events"] == [(after(28), 0.0, 1.0, 0.0), (after(49), 1.0, -1.0, 0.0)]


def test_a_late_return_that_has_not_arrived_changes_nothing() -> None:
    found = outcomes_of(49, "too_small", as_of_days=49)
    assert found == {"outcome": FIT, "first": FIT, "events": [(after(28), 0.0, 1.0, 0.0)]}


def test_a_late_return_for_another_reason_only_takes_back() -> None:
    found = outcomes_of(49, "quality", as_of_days=60)
    assert found["outcome"] == NO_OUTCOME
    assert found["events"] == [(after(28), 0.0, 1.0, 0.0), (after(49), 0.0, -1.0, 0.0)]
