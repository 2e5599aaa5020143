"""Verdicts: what is shown is acted on, what is open extends, and only what is bad vetoes."""

import json
from dataclasses import replace

import polars as pl
import pytest

from apps.shadow.comparison import Comparison, compare
from apps.shadow.verdict import Verdict, decide
from libs.models.pair_log import COMPLETE, ERROR, Counts
from tests.unit.apps.shadow.windows import COMMON, RARE, WINDOW, counts_for, losses, pairs


def judge(frame: pl.DataFrame, quality: pl.DataFrame, hours: float = 20.0, counts: Counts | None = None) -> Verdict:
    return decide(compare(frame, counts or counts_for(frame), quality, WINDOW), WINDOW, hours)


def finding(verdict: Verdict, name: str) -> str:
    return next(check.finding for check in verdict.checks if check.name == name)


def test_better_and_no_worse_otherwise_is_promoted() -> None:
    verdict = judge(pairs(), losses(0.03))
    assert verdict.decision == "promote"
    assert {check.finding for check in verdict.checks if check.name != RARE} == {"good"}
    assert finding(verdict, RARE) == "untold"


def test_an_equal_model_is_not_promoted_and_waits() -> None:
    verdict = judge(pairs(), losses(0.0))
    assert verdict.decision == "extend"
    assert finding(verdict, "quality") == "open"


def test_an_equal_model_is_rejected_when_its_time_is_up() -> None:
    verdict = judge(pairs(), losses(0.0), hours=24.0)
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("not shown to be better in 24 h: quality: log loss lower by")


def test_what_was_shown_and_waits_for_a_person_is_not_rejected_for_its_time_but_for_what_is_bad() -> None:
    def late(better_by: float) -> Verdict:
        frame = pairs()
        return decide(compare(frame, counts_for(frame), losses(better_by), WINDOW), WINDOW, 30.0, shown=True)

    assert [late(better_by).decision for better_by in (0.03, 0.0, -0.05)] == ["promote", "extend", "reject"]


def test_a_worse_model_is_rejected_at_once() -> None:
    verdict = judge(pairs(), losses(-0.05))
    assert verdict.decision == "reject"
    assert finding(verdict, "quality") == "bad"


def test_a_model_that_fails_requests_is_rejected_however_good_it_is() -> None:
    verdict = judge(pairs(errors=600), losses(0.1))
    assert verdict.decision == "reject"
    assert finding(verdict, "errors") == "bad"


def test_a_model_that_is_twice_as_slow_is_rejected() -> None:
    verdict = judge(pairs(slower=2.0), losses(0.1))
    assert verdict.decision == "reject"
    assert finding(verdict, "latency") == "bad"


def test_few_pairs_extend_and_veto_nothing() -> None:
    verdict = judge(pairs(30, errors=1), losses(0.1))
    assert verdict.decision == "extend"
    assert not [check for check in verdict.checks if check.finding == "bad"]


def test_lost_pairs_are_missed_and_stop_a_promotion() -> None:
    frame = pairs()
    verdict = judge(frame, losses(0.1), counts=counts_for(frame, lost=300))
    assert verdict.decision == "extend"
    assert "2400 of 2700 mirrored requests are in the log" in verdict.reason


def test_what_killed_replicas_may_have_lost_counts_as_lost_and_is_said() -> None:
    frame = pairs()
    little, much = (replace(counts_for(frame), killed=2, lost_at_most=lost) for lost in (24, 240))
    verdict = judge(frame, losses(0.1), counts=little)
    assert finding(verdict, "integrity") == "good"
    [detail] = [check.detail for check in verdict.checks if check.name == "integrity"]
    assert detail == (
        "2400 of 2400 mirrored requests are in the log; 2 replicas were killed, which may have lost up to 24 more"
    )
    assert finding(judge(frame, losses(0.1), counts=much), "integrity") == "open"


def test_a_sample_of_the_wrong_share_stops_a_promotion() -> None:
    frame = pairs()
    skewed = Counts(requests=4800, expected=2400, customers=700, customers_sampled=450)
    assert finding(judge(frame, losses(0.1), counts=skewed), "integrity") == "open"


def test_an_empty_window_extends() -> None:
    assert judge(pairs(0), losses(0.1)).decision == "extend"


def test_batches_of_different_sizes_are_not_compared_in_time() -> None:
    frame = pairs().with_columns(challenger_batch=pl.lit(2, pl.Int32))
    verdict = judge(frame, losses(0.1))
    assert finding(verdict, "latency") == "open"


def test_agreement_is_of_sizes() -> None:
    comparison: Comparison = compare(pairs(), counts_for(pairs()), losses(0), WINDOW)
    assert comparison.agreement == pytest.approx(0.75)


def test_a_slice_that_fails_alone_is_rejected_for_it() -> None:
    """A tenth of the requests fail at 15 %: within the margin of all requests together it could still hide."""
    frame = pairs().with_columns(slices=pl.Series([[RARE if i % 10 < 2 else COMMON] for i in range(2400)]))
    failed = pl.Series([ERROR if i % 10 < 2 and i % 7 == 0 else COMPLETE for i in range(2400)])
    verdict = judge(frame.with_columns(outcome=failed), losses(0.1))
    assert finding(verdict, RARE) == "bad"
    assert finding(verdict, COMMON) == "good"
    assert verdict.decision == "reject"


def test_a_slice_of_few_requests_vetoes_nothing_and_holds_nothing_up() -> None:
    """All three of its requests fail, and three are not enough to be sure."""
    slices = pl.Series([[RARE if i % 900 == 0 else COMMON] for i in range(2400)])
    failed = pl.Series([ERROR if i % 900 == 0 else COMPLETE for i in range(2400)])
    verdict = judge(pairs().with_columns(slices=slices, outcome=failed), losses(0.1), hours=23.9)
    assert finding(verdict, RARE) == "untold"
    assert not [check for check in verdict.checks if check.finding == "bad"]


@pytest.mark.parametrize(("max_hours", "expected", "decision"), [(24, "untold", "promote"), (2400, "open", "extend")])
def test_a_slice_is_waited_for_only_while_the_window_can_still_tell_it(
    max_hours: float, expected: str, decision: str
) -> None:
    """24 of its requests in 20 hours, none of which failed."""
    window, frame = WINDOW.model_copy(update={"max_hours": max_hours}), pairs()
    verdict = decide(compare(frame, counts_for(frame), losses(0.1), window), window, 20.0)
    assert (finding(verdict, RARE), verdict.decision) == (expected, decision)


def test_a_log_that_is_older_than_slices_is_judged_without() -> None:
    assert judge(pairs().drop("slices"), losses(0.03)).decision == "promote"


def test_to_extend_says_how_long_it_will_take() -> None:
    """600 pairs came in five hours, 1,000 are needed."""
    window = WINDOW.model_copy(update={"min_pairs": 1000})
    frame = pairs(600)
    verdict = decide(compare(frame, counts_for(frame), losses(0.1), window), window, 5.0)
    assert verdict.decision == "extend"
    assert verdict.hours_needed is not None
    assert 3 < verdict.hours_needed < 12
    assert verdict.reason.startswith("about ")
    told = {check.name: check.told for check in verdict.checks}
    assert (told["volume"], told["quality"], told[RARE]) == ("open, 4 h", "good", "not told")


def test_without_a_common_holdout_quality_stays_open() -> None:
    assert finding(judge(pairs(), losses(0.1, lines=0)), "quality") == "open"


def test_what_waiting_cannot_settle_is_said() -> None:
    verdict = judge(pairs(), losses(0.0))
    assert verdict.hours_needed is None
    assert verdict.reason.startswith("will not be settled within 24 h: quality:")


def test_seconds_that_swing_more_than_the_margin_settle_nothing() -> None:
    """One half of the champion's customers waits three times as long as the other: the clock is not to be trusted."""
    swing = pl.Series([3.0 if (i // 3) % 2 else 1.0 for i in range(2400)])
    frame = pairs().with_columns(pl.col("champion_s") * swing, pl.col("challenger_s") * swing)
    verdict = judge(frame, losses(0.1))
    assert finding(verdict, "latency") == "open"
    assert "that is noise" in verdict.reason


def test_evidence_is_plain_values() -> None:
    few = judge(pairs(30), losses(0.0))
    assert json.loads(json.dumps(few.evidence(), allow_nan=False))["comparison"]["latency_excess_s"]["upper"] is None
    assert json.loads(json.dumps(judge(pairs(), losses(0.03)).evidence()))["decision"] == "promote"
