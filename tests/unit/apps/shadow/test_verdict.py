"""Verdicts: what is shown is acted on, what is open extends, and only what is bad vetoes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from apps.shadow.comparison import Comparison, compare
from apps.shadow.verdict import Verdict, decide
from libs.base.market import ShadowWindow
from libs.models.pair_log import COMPLETE, ERROR, SCHEMA, Counts

COMMON, RARE = "basis_history_article", "basis_market_market"
WINDOW = ShadowWindow(min_pairs=400, max_hours=24, share=0.5, latency_margin=1.5)


def pairs(number: int = 3000, errors: int = 0, slower: float = 1.0, seed: int = 0) -> pl.DataFrame:
    """Requests of 20 hours by customers who ask three times each; champion takes about 2 ms."""
    rng = np.random.default_rng(seed)
    champion = rng.normal(0.002, 0.0002, number)
    failed = np.arange(number) < errors
    return pl.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(number)],
            "customer": [f"h{i // 3}" for i in range(number)],
            "at": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=24 * i) for i in range(number)],
            "champion_version": "1",
            "challenger_version": "2",
            "outcome": np.where(failed, ERROR, COMPLETE),
            "article_ids": [["a"]] * number,
            "champion_sizes": [["38"]] * number,
            "challenger_sizes": [None if one else ["38" if i % 4 else "40"] for i, one in enumerate(failed)],
            "champion_confidences": [[0.5]] * number,
            "challenger_confidences": [None if one else [0.5] for one in failed],
            "champion_s": champion,
            "challenger_s": [None if one else value for one, value in zip(failed, champion * slower, strict=True)],
            "champion_batch": 1,
            "challenger_batch": 1,
            "slices": [["division_apparel", RARE if i % 100 == 0 else COMMON] for i in range(number)],
        },
        schema=pl.DataFrame(pl.from_arrow(SCHEMA.empty_table())).schema,
    )


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
    assert "3000 of 3300 mirrored requests are in the log" in verdict.reason


def test_a_sample_of_the_wrong_share_stops_a_promotion() -> None:
    frame = pairs()
    skewed = Counts(requests=6000, expected=3000, customers=700, customers_sampled=450)
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


def test_evidence_is_plain_values() -> None:
    import json

    assert json.loads(json.dumps(judge(pairs(), losses(0.03)).evidence()))["decision"] == "promote"
