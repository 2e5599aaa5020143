"""The gate over the weeks: the first has nothing to be compared with, a blocked one is not compared with later."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from apps.trainer.gate import Gate
from libs.base.market import Market, Validation
from libs.features.preprocess import Prepared
from libs.features.validation.profile import Profile, TableProfile

AS_OF = datetime(2026, 7, 6, tzinfo=UTC)
BLOCKING = Market(name="de", validation=Validation(volumes="block"))


def prepared(week: int, rows: int) -> Prepared:
    """Of a prepared week, what the gate looks at."""
    profile = Profile("de", AS_OF + timedelta(weeks=week), {"orders": TableProfile(rows, 10)}, 0.0)
    return cast("Prepared", SimpleNamespace(profile=profile, left_out=[]))


def gate(folder: Path, week: int) -> Gate:
    return Gate(folder, BLOCKING, AS_OF + timedelta(weeks=week))


def test_a_week_that_lost_rows_is_blocked_and_the_next_is_compared_with_the_one_before_it(tmp_path: Path) -> None:
    assert gate(tmp_path, 0).check_tables(prepared(0, 1000)) == []
    [reason] = gate(tmp_path, 1).check_tables(prepared(1, 500))
    assert reason == "orders: 500 rows, 50.0% fewer than the 1,000 of the week before"
    assert gate(tmp_path, 2).check_tables(prepared(2, 1010)) == []


def test_running_a_week_again_is_not_compared_with_itself(tmp_path: Path) -> None:
    assert gate(tmp_path, 0).check_tables(prepared(0, 1000)) == []
    again = gate(tmp_path, 0)
    assert again.check_tables(prepared(0, 500)) == []
    assert again.volumes == {}


def test_shifts_are_blocked_where_the_config_says_so(tmp_path: Path) -> None:
    trained = cast("Any", SimpleNamespace(shifts={"kept_n": 0.5, "confidence": 0.1}, champion_version="3"))
    assert gate(tmp_path, 0).check_shifts(trained) == []
    strict = Gate(tmp_path, Market(name="de", validation=Validation(features="block")), AS_OF)
    [reason] = strict.check_shifts(trained)
    assert reason == "kept_n has shifted by 0.50 against what champion v3 was trained on, at most 0.25 is expected"


def test_inputs_that_have_shifted_are_one_warning(tmp_path: Path) -> None:
    shifts = {"kept_n": 0.5, "large_n": 0.4, "position": 0.1, "confidence": 0.3}
    watched = gate(tmp_path, 0)
    assert watched.check_shifts(cast("Any", SimpleNamespace(shifts=shifts, champion_version="3"))) == []
    assert [warning.partition(" has shifted")[0] for warning in watched.warnings()] == [
        "confidence",
        "2 of 3 inputs of the model; most of all kept_n",
    ]


def test_a_delivery_that_could_not_be_used_has_a_page_that_says_why(tmp_path: Path) -> None:
    refused = gate(tmp_path, 0)
    refused.refuse("table 'orders' has no data for market 'de'")
    page = refused.write_page()
    assert page == tmp_path / "de" / "2026-07-06T000000Z.html"
    assert "has no data for market" in page.read_text(encoding="utf-8")
    assert "Blocked" in page.read_text(encoding="utf-8")
