"""Which lines a logged request led to, what came of them, and where they stand to what was shown."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from apps.shadow.purchases import purchases
from libs.base.market import Market
from libs.features.outcomes import FIT, LARGE, NO_OUTCOME, SMALL
from libs.features.schema import ORDERS, RETURNS
from libs.models.pair_log import COMPLETE, ERROR, SCHEMA
from libs.models.sampling import pseudonym

DAY0 = datetime(2026, 3, 1, tzinfo=UTC)
LATER = DAY0 + timedelta(days=90)
SECRET = b"key"
MARKET = Market(name="de", label_maturity_days=28)


def day(number: float) -> datetime:
    return DAY0 + timedelta(days=number)


def asked(at: float, shown: str | None = "38", other: str | None = "38", **changed: Any) -> dict[str, Any]:
    return {
        "request_id": f"r{at}",
        "customer": pseudonym("ann", SECRET),
        "at": day(at),
        "outcome": COMPLETE,
        "article_ids": ["shirt", "shoe"],
        "champion_sizes": [shown, "42"],
        "challenger_sizes": [other, "43"],
    } | changed


def bought(line: str, at: float, size: str = "38", **changed: Any) -> dict[str, Any]:
    names = {"order_id": f"o{at}", "line_id": line, "customer_id": "ann", "article_id": "shirt"}
    return names | {"size": size, "ordered_at": day(at), "quantity": 1, "channel": "web"} | changed


def returned(line: str, at: float, reason: str = "too_small") -> dict[str, Any]:
    return {"line_id": line, "returned_at": day(at), "reason": reason}


def found(
    pairs: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    returns: Sequence[dict[str, Any]] = (),
    until: datetime = LATER,
) -> pl.DataFrame:
    return purchases(
        frame(pairs, SCHEMA), frame(orders, ORDERS.schema), frame(returns, RETURNS.schema), SECRET, MARKET, until
    )


def frame(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=pl.DataFrame(pl.from_arrow(schema.empty_table())).schema)


def lines(*arguments: Any) -> list[str]:
    return sorted(found(*arguments)["line_id"])


def test_what_is_bought_within_the_span_after_the_request_counts() -> None:
    orders = [bought("before", -0.1), bought("after", 7.0)]
    assert lines([asked(0)], orders) == ["after"]
    assert lines([asked(0)], [bought("late", 7.1)]) == []


def test_only_what_was_asked_about_counts_and_by_whom() -> None:
    orders = [
        bought("shirt", 1),
        bought("shoe", 1, "42", article_id="shoe"),
        bought("hat", 1, article_id="hat"),
        bought("of bob", 1, customer_id="bob"),
    ]
    assert lines([asked(0)], orders) == ["shirt", "shoe"]


def test_of_several_orders_the_first_counts_with_all_its_lines() -> None:
    orders = [bought("small", 1, "38"), bought("large", 1, "40"), bought("again", 3, "42")]
    assert lines([asked(0)], orders) == ["large", "small"]


def test_a_purchase_belongs_to_the_last_request_before_it() -> None:
    [row] = found([asked(0, "36"), asked(2, "38"), asked(4, "40")], [bought("a", 3, "38")]).to_dicts()
    assert not row["not_followed"]


def test_a_request_that_the_challenger_failed_leads_to_nothing() -> None:
    assert lines([asked(0, outcome=ERROR, challenger_sizes=None)], [bought("a", 1)]) == []


def test_an_empty_log_leads_to_nothing() -> None:
    assert lines([], [bought("a", 1)]) == []


@pytest.mark.parametrize(
    ("returns", "outcome"),
    [
        ([], FIT),
        ([returned("a", 20)], SMALL),
        ([returned("a", 20, "too_large")], LARGE),
        ([returned("a", 20, "changed_mind")], NO_OUTCOME),
        # Later than maturity: that a line is followed for longer changes nothing.
        ([returned("a", 40)], FIT),
    ],
)
def test_a_label_is_what_came_of_the_line_until_it_was_mature(returns: list[dict[str, Any]], outcome: int) -> None:
    assert found([asked(0)], [bought("a", 1)], returns)["outcome"].to_list() == [outcome]


def test_a_line_that_is_not_mature_has_no_label_also_if_it_is_back_already() -> None:
    rows = found([asked(0)], [bought("a", 1), bought("b", 1)], [returned("a", 10)], day(29))
    assert rows.select("mature", "outcome").unique().rows() == [(False, NO_OUTCOME)]
    assert found([asked(0)], [bought("a", 1)], [], day(29.1))["mature"].all()


@pytest.mark.parametrize(
    ("shown", "other", "size", "same_size", "not_followed", "led"),
    [
        ("38", "38", "38", True, False, False),
        ("38", "38", "40", True, True, False),
        ("38", "40", "38", False, False, True),
        ("38", "40", "40", False, True, False),
        (None, None, "38", True, True, False),
        (None, "38", "38", False, True, False),
        ("38", None, "38", False, False, True),
    ],
)
def test_where_a_line_stands_to_what_was_shown(
    shown: str | None, other: str | None, size: str, same_size: bool, not_followed: bool, led: bool
) -> None:
    rows = found([asked(0, shown, other)], [bought("a", 1, size)])
    assert rows.select("same_size", "not_followed", "led").row(0) == (same_size, not_followed, led)
