"""The gate: what has changed too much since the week before is told, and ends the week where the config says so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.base.errors import DataError
from libs.base.market import Validation
from libs.features.validation.checks import Finding, check_profile, check_shifts
from libs.features.validation.profile import Profile, TableProfile
from libs.features.validation.values import Breach

AS_OF = datetime(2026, 7, 6, tzinfo=UTC)
TABLES = {
    "customers": TableProfile(1000, 20, {"height_cm": 300, "gender": 0}, {"gender": {"women": 700, "men": 300}}),
    "articles": TableProfile(80, 4, {}, {"division": {"apparel": 60, "footwear": 20}}),
    "orders": TableProfile(50_000, 2000, {}, {"channel": {"web": 1500, "app": 500}}),
    "returns": TableProfile(20_000, 900, {}, {"reason": {"too_small": 450, "too_large": 450}}),
}
THEN = Profile("de", AS_OF - timedelta(weeks=1), TABLES, 0.0)


def changed(table: str, **values: Any) -> Profile:
    """The week before once more, but for this."""
    return Profile("de", AS_OF, TABLES | {table: replace(TABLES[table], **values)}, 0.0)


def broken(now: Profile, config: Validation | None = None, before: Profile | None = THEN) -> list[Finding]:
    return [one for one in check_profile(config or Validation(), now, before) if one.status != "passed"]


def test_a_week_like_the_one_before_passes_every_check() -> None:
    found = check_profile(Validation(), replace(THEN, as_of=AS_OF), THEN)
    assert {one.check for one in found} == {"volumes", "null_rates", "categories", "references"}
    assert {one.status for one in found} == {"passed"}


@pytest.mark.parametrize(
    ("now", "check", "subject", "told"),
    [
        (changed("orders", recent=900), "volumes", "orders, new", "900 rows of the last seven days, 2,000 in the week"),
        (changed("orders", recent=3100), "volumes", "orders, new", "3,100 rows of the last seven days"),
        (changed("returns", recent=0), "volumes", "returns", "no row of the last seven days"),
        (changed("orders", rows=45_000), "volumes", "orders, all", "10.0% fewer than the 50,000 of the week before"),
        (changed("customers", rows=900), "volumes", "customers, all", "10.0% fewer"),
        (
            changed("customers", nulls={"height_cm": 600, "gender": 0}),
            "null_rates",
            "customers.height_cm, rise",
            "is null in 60.0% of rows, 30.0% the week before",
        ),
        (
            changed("returns", categories={"reason": {"too_small": 900}}),
            "categories",
            "returns.reason",
            "'too_large', from 50.0% to 0.0%",
        ),
        (
            changed("orders", categories={"channel": {"web": 1000, "app": 500, "fax": 500}}),
            "categories",
            "orders.channel",
            "'fax', from 0.0% to 25.0%",
        ),
    ],
)
def test_what_has_changed_too_much_is_told_once(now: Profile, check: str, subject: str, told: str) -> None:
    [found] = broken(now)
    assert (found.check, found.subject, found.status) == (check, subject, "warning")
    assert told in found.told
    assert found.value > found.bound
    [blocked] = broken(now, Validation.model_validate({check: "block"}))
    assert blocked.status == "blocked"
    assert broken(now, Validation.model_validate({check: "off"})) == []


def test_fewer_nulls_and_more_rows_are_no_fault() -> None:
    assert broken(changed("customers", rows=1500, nulls={"height_cm": 0, "gender": 0})) == []


def test_returns_without_their_order_lines_are_told() -> None:
    [found] = broken(Profile("de", AS_OF, TABLES, 0.05))
    assert found.told == "5.0% of returns name an order line that is not there, at most 1.0% may"


def test_without_a_week_before_only_the_week_itself_is_checked() -> None:
    found = check_profile(Validation(), changed("orders", recent=0), None)
    assert [(one.check, one.status) for one in found] == [("references", "passed"), ("volumes", "warning")]


def test_a_bound_on_nulls_needs_no_week_before() -> None:
    config = Validation(max_null_rate={"customers.height_cm": 0.2}, null_rates="block")
    [found] = broken(replace(THEN, as_of=AS_OF), config, before=None)
    assert found.status == "blocked"
    assert found.told == "customers.height_cm is null in 30.0% of rows, at most 20.0% may be"


def test_a_bound_on_a_column_that_cannot_be_null_is_refused_with_those_that_can() -> None:
    with pytest.raises(DataError, match=r"orders\.size may not be null, or is not there.*customers\.height_cm"):
        check_profile(Validation(max_null_rate={"orders.size": 0.2}), THEN, None)


def test_rows_that_were_left_out_are_told() -> None:
    breach = Breach("orders", "quantity", "is outside 1 to 10000", 3, [{"line_id": "l1"}])
    found = check_profile(Validation(values="warn"), THEN, None, [breach])
    assert (found[0].status, found[0].told) == (
        "warning",
        "quantity is outside 1 to 10000 in 3 rows, such as [{'line_id': 'l1'}]: left out",
    )


def test_shifts_of_inputs_and_answers_have_bounds_of_their_own() -> None:
    config = Validation(max_feature_shift=0.3, max_prediction_shift=0.1, predictions="block")
    found = check_shifts(config, {"position": 0.2, "confidence": 0.2, "kept_n": 0.4}, "confidence", "v3's training")
    assert [(one.subject, one.check, one.status) for one in found] == [
        ("position", "features", "passed"),
        ("confidence", "predictions", "blocked"),
        ("kept_n", "features", "warning"),
    ]
    assert "has shifted by 0.20 against v3's training" in found[1].told
