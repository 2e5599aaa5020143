"""The week's table: a measure stands with its interval, and what is worth a look is said."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from apps.trainer.report import print_weeks
from apps.trainer.week import MarketWeek
from libs.models.evaluation import Metrics
from libs.models.market_training import Trained
from libs.models.standards import Check, Judgement

METRICS = Metrics(2_000, 0.71, 0.7, 0.72, 0.66, 0.75, 0.6, 0.02, 0.9, 0.4)


def printed(outcome: str, *checks: Check) -> str:
    judgement = Judgement(list(checks))
    trained = Trained("de", Path("de"), METRICS, {}, None, None, judgement, {})
    return told(MarketWeek("de", outcome, "judge", judgement.reason, trained=trained))


def told(week: MarketWeek, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_weeks(console, [week])
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_a_measure_stands_with_its_interval() -> None:
    text = printed("champion", Check("auc_macro", 0.71, 0.6, passed=True, low=0.692, high=0.728))
    assert "0.710" in text
    assert "0.692-0.728" in text
    assert "worth a look" not in text


def test_a_measure_without_an_interval_stands_alone() -> None:
    assert "0.710 " in printed("champion", Check("auc_macro", 0.71, 0.6, passed=True))


def test_a_rejection_says_how_narrow_it_was_and_a_doubt_is_worth_a_look() -> None:
    narrow = Check("auc_macro", 0.594, 0.6, passed=False, low=0.58, high=0.61, note="narrowly")
    doubt = Check("log_loss", 0.99, 1.0, passed=True, low=0.97, high=1.01, floor=False, note="not beyond doubt")
    text = printed("rejected", narrow, doubt)
    assert "de rejected at judge: auc_macro is 0.594 (0.58 to 0.61), the standard is 0.6, narrowly" in text
    assert "de worth a look: log_loss is 0.99 (0.97 to 1.01), the standard is 1, not beyond doubt" in text


def test_a_finished_week_says_where_its_model_report_is() -> None:
    # In a narrow window too, and with what the console would take for its own markup.
    path = "mlruns/12/[red]/" + "deep/" * 30 + "report.html"
    text = told(MarketWeek("de", "champion", report_path=path), width=60)
    assert f"de model report: {path}\n" in text


def test_a_week_without_a_model_report_says_why() -> None:
    trained = Trained("de", Path("de"), METRICS, {}, None, None, Judgement([]), {})
    lost = replace(trained, report_fault="ValueError: no [ink]")
    assert "de has no model report: ValueError: no [ink]" in told(MarketWeek("de", "champion", trained=lost))
    assert "model report" not in told(MarketWeek("de", "champion", trained=trained))
