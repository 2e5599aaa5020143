"""Train lines in a shuffled order of time."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from libs.features.outcomes import OUTCOMES, outcome_events, with_outcomes
from libs.features.shuffle import in_shuffled_order

START = datetime(2026, 1, 5, tzinfo=UTC)
MATURITY = 14


def dated(days: list[int], reasons: list[str | None], as_of: datetime) -> pl.DataFrame:
    ids = [f"l{index:03d}" for index in range(len(days))]
    lines = pl.DataFrame(
        {"line_id": ids, "ordered_at": [START + timedelta(days=day) for day in days]},
        schema={"line_id": pl.String, "ordered_at": pl.Datetime("us", "UTC")},
    )
    late = START + timedelta(days=20)
    returned = [(line, late, reason) for line, reason in zip(ids, reasons, strict=True) if reason]
    schema = pl.Schema({"line_id": pl.String(), "returned_at": pl.Datetime("us", "UTC"), "reason": pl.String()})
    return with_outcomes(lines, pl.DataFrame(returned, schema=schema, orient="row"), MATURITY, as_of)


days = st.lists(st.tuples(st.integers(0, 100), st.sampled_from([None, "too_small", "too_large"])), max_size=30)


@given(days, st.integers(0, 5))
def test_the_lines_change_places_in_time_and_nothing_else(made: list[tuple[int, str | None]], seed: int) -> None:
    before = START + timedelta(days=60)
    lines = dated([day for day, _ in made], [reason for _, reason in made], START + timedelta(days=90))
    shuffled = in_shuffled_order(lines, before, seed)
    learned = lines.filter((pl.col("ordered_at") < before) & pl.col("outcome").is_not_null())
    assert shuffled.schema == lines.schema
    assert shuffled["ordered_at"].to_list() == learned["ordered_at"].sort().to_list()
    assert (
        shuffled.sort("line_id")
        .select("line_id", "outcome")
        .equals(learned.sort("line_id").select("line_id", "outcome"))
    )
    assert (shuffled["matured_at"] - shuffled["ordered_at"]).unique().to_list() in ([], [timedelta(days=MATURITY)])


def test_nothing_of_a_later_window_and_nothing_immature_is_drawn() -> None:
    lines = dated([0, 1, 50, 85], [None] * 4, START + timedelta(days=90))
    assert sorted(in_shuffled_order(lines, START + timedelta(days=40), 0)["line_id"]) == ["l000", "l001"]
    assert sorted(in_shuffled_order(lines, START + timedelta(days=100), 0)["line_id"]) == ["l000", "l001", "l002"]


def test_every_line_is_one_event_with_what_it_turned_out_to_be_also_after_a_late_return() -> None:
    lines = dated([0, 1, 2], ["too_small", None, "too_large"], START + timedelta(days=90))
    assert len(outcome_events(lines)) > 3
    events = outcome_events(in_shuffled_order(lines, START + timedelta(days=60), 0)).sort("line_id")
    assert events.select(OUTCOMES).rows() == [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]


def test_a_seed_is_an_order() -> None:
    lines = dated(list(range(40)), [None] * 40, START + timedelta(days=90))
    orders = [in_shuffled_order(lines, START + timedelta(days=60), seed)["line_id"].to_list() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != lines["line_id"].to_list()
