"""Train lines in a shuffled order of time."""

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from libs.features.outcomes import FIT, LARGE, NO_OUTCOME, SMALL, Events, with_outcomes
from libs.features.shuffle import DayCounts, in_shuffled_order
from libs.features.splits import SHUFFLED, TRAIN

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
    known = pl.DataFrame(returned, schema=schema, orient="row")
    return with_outcomes(lines, known, MATURITY, as_of).with_columns(split=pl.lit(TRAIN))


def shuffle(lines: pl.DataFrame, before: datetime, seed: int = 0) -> pl.DataFrame:
    return in_shuffled_order(lines, before, seed, DayCounts.of(lines, before))


days = st.lists(st.tuples(st.integers(0, 100), st.sampled_from([None, "too_small", "too_large"])), max_size=30)


@given(days, st.integers(0, 5))
def test_the_lines_change_places_in_time_and_nothing_else(made: list[tuple[int, str | None]], seed: int) -> None:
    before = START + timedelta(days=60)
    lines = dated([day for day, _ in made], [reason for _, reason in made], START + timedelta(days=90))
    shuffled = shuffle(lines, before, seed)
    learned = lines.filter((pl.col("ordered_at") < before) & (pl.col("outcome") != NO_OUTCOME))
    assert shuffled.schema == lines.schema
    assert set(shuffled["split"]) <= {SHUFFLED}
    assert set(shuffled["ordered_at"]) <= set(learned["ordered_at"])
    assert shuffled.select("line_id", "outcome").equals(learned.select("line_id", "outcome"))
    assert (shuffled["matured_at"] - shuffled["ordered_at"]).unique().to_list() in ([], [timedelta(days=MATURITY)])


def test_days_are_drawn_as_often_as_they_have_lines() -> None:
    lines = dated([0] * 3_000 + [30] * 1_000, [None] * 4_000, START + timedelta(days=90))
    shuffled = shuffle(lines, START + timedelta(days=60))
    before, after = lines["ordered_at"].to_list(), shuffled["ordered_at"].to_list()
    first = after.count(START) / len(after)
    moved = sum(one != other for one, other in zip(before, after, strict=True)) / len(after)
    assert abs(first - 0.75) < 0.03
    assert abs(moved - 2 * 0.75 * 0.25) < 0.03


@given(days, st.integers(1, 5))
def test_a_line_is_drawn_the_same_wherever_it_is_described(made: list[tuple[int, str | None]], parts: int) -> None:
    before = START + timedelta(days=60)
    lines = dated([day for day, _ in made], [reason for _, reason in made], START + timedelta(days=90))
    pieces = [lines.gather_every(parts, start) for start in range(min(parts, len(lines)))]
    if not pieces:
        return
    counts = DayCounts.merged([DayCounts.of(piece, before) for piece in pieces])
    apart = pl.concat([in_shuffled_order(piece, before, 0, counts) for piece in pieces])
    assert apart.sort("line_id").equals(shuffle(lines, before).sort("line_id"))


def test_nothing_of_a_later_window_and_nothing_immature_is_drawn() -> None:
    lines = dated([0, 1, 50, 85], [None] * 4, START + timedelta(days=90))
    assert sorted(shuffle(lines, START + timedelta(days=40))["line_id"]) == ["l000", "l001"]
    assert sorted(shuffle(lines, START + timedelta(days=100))["line_id"]) == ["l000", "l001", "l002"]


def test_every_line_is_one_event_with_what_it_turned_out_to_be_also_after_a_late_return() -> None:
    lines = dated([0, 1, 2], ["too_small", None, "too_large"], START + timedelta(days=90))
    assert len(Events.of(lines).line) > 3
    events = Events.of(shuffle(lines, START + timedelta(days=60)))
    assert events.line.tolist() == [0, 1, 2]
    assert events.signs.argmax(axis=1).tolist() == [SMALL, FIT, LARGE]


def test_a_seed_is_an_order() -> None:
    lines = dated(list(range(40)), [None] * 40, START + timedelta(days=90))
    orders = [shuffle(lines, START + timedelta(days=60), seed)["ordered_at"].to_list() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != lines["ordered_at"].to_list()
