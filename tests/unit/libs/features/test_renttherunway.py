"""The public rental file as a market: each line is an order line or is counted with its reason, none is lost."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from libs.base.errors import DataError
from libs.features.lake import Lake
from libs.features.renttherunway import ImportReport, import_renttherunway, read_rentals, write_rentals
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS, Table

# Written for this test in the schema of the published file.
RENTAL: dict[str, Any] = {
    "fit": "fit",
    "user_id": "100",
    "bust size": "34d",
    "item_id": "7",
    "weight": "137lbs",
    "rating": "10",
    "rented for": "vacation",
    "review_text": "Wore it twice",
    "body type": "hourglass",
    "review_summary": "Lovely",
    "category": "romper",
    "height": "5' 8\"",
    "size": 14,
    "age": "28",
    "review_date": "April 20, 2016",
}
DAY = datetime(2016, 4, 20, tzinfo=UTC)


class Import:
    """One import of a few lines, and what it left in the lakehouse."""

    def __init__(self, folder: Path, *lines: dict[str, Any] | str) -> None:
        path = folder / "rentals.json"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
        self.lake = Lake.open(str(folder / "lake"))
        self.report: ImportReport = import_renttherunway([path], self.lake, "us")

    def rows(self, table: Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.lake.read(table, "us").to_pylist()
        return found


def rental(**changes: Any) -> dict[str, Any]:
    return RENTAL | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in RENTAL.items() if key != name}


def test_a_rental_is_one_order_line(tmp_path: Path) -> None:
    [line] = Import(tmp_path, rental()).rows(ORDERS)
    assert line == {
        "order_id": "rtr-000000001",
        "line_id": "rtr-000000001",
        "customer_id": "100",
        "article_id": "7",
        "size": "14",
        "ordered_at": DAY,
        "quantity": 1,
        "channel": "web",
    }


def test_what_was_written_passes_the_checks_of_the_lakehouse(tmp_path: Path) -> None:
    done = Import(tmp_path, rental(), rental(fit="small"), rental(user_id="101", item_id="8", fit="large"))
    assert done.lake.validate("us") == []
    assert (done.report.lines, done.report.imported, done.report.malformed.total()) == (3, 3, 0)


def test_small_and_large_come_back_a_day_later_and_fit_is_kept(tmp_path: Path) -> None:
    done = Import(tmp_path, rental(), rental(fit="small"), rental(fit="large"))
    returned = datetime(2016, 4, 21, tzinfo=UTC)
    assert done.rows(RETURNS) == [
        {"line_id": "rtr-000000002", "returned_at": returned, "reason": "too_small"},
        {"line_id": "rtr-000000003", "returned_at": returned, "reason": "too_large"},
    ]


def test_equal_rentals_are_separate_lines(tmp_path: Path) -> None:
    lines = Import(tmp_path, rental(), rental()).rows(ORDERS)
    assert [line["line_id"] for line in lines] == ["rtr-000000001", "rtr-000000002"]


def test_line_ids_are_those_of_the_file_even_after_a_malformed_line(tmp_path: Path) -> None:
    lines = Import(tmp_path, rental(), "not json", rental()).rows(ORDERS)
    assert [line["line_id"] for line in lines] == ["rtr-000000001", "rtr-000000003"]


def test_an_item_is_an_article_in_the_sizes_that_were_rented(tmp_path: Path) -> None:
    [article] = Import(
        tmp_path, rental(size=14), rental(size=4, review_date="May 2, 2014"), rental(size=10), rental(size=4)
    ).rows(ARTICLES)
    assert article["sizes"] == ["4", "10", "14"]
    assert article["launched_at"] == datetime(2014, 5, 2, tzinfo=UTC)
    assert (article["category"], article["division"], article["gender"]) == ("romper", "apparel", "women")
    assert (article["size_system"], article["online"]) == ("US", True)


def test_a_customer_has_metric_measures_and_a_birth_year(tmp_path: Path) -> None:
    [customer] = Import(tmp_path, rental()).rows(CUSTOMERS)
    assert customer == {
        "customer_id": "100",
        "registered_at": DAY,
        "gender": "women",
        "birth_year": 1988,
        "height_cm": 172.7,
        "weight_kg": 62.1,
        "bust_cm": 96.5,
        "underbust_cm": 86.4,
    }


def test_of_a_customer_the_latest_measure_that_was_told_counts(tmp_path: Path) -> None:
    [customer] = Import(
        tmp_path,
        rental(weight="150lbs", review_date="June 1, 2017"),
        rental(weight="120lbs", review_date="June 1, 2015"),
        rental(weight=None, review_date="June 1, 2018"),
    ).rows(CUSTOMERS)
    assert customer["weight_kg"] == 68.0
    assert customer["registered_at"] == datetime(2015, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value", "column"),
    [
        ("age", "116", "birth_year"),
        ("age", "13", "birth_year"),
        ("age", "young", "birth_year"),
        ("age", None, "birth_year"),
        ("height", "tall", "height_cm"),
        ("height", 68, "height_cm"),
        ("weight", "137 kg", "weight_kg"),
        ("weight", "", "weight_kg"),
        ("height", "0' 5\"", "height_cm"),
        ("height", "9' 9\"", "height_cm"),
        ("weight", "999lbs", "weight_kg"),
        ("age", "9" * 5000, "birth_year"),
    ],
)
def test_a_body_that_cannot_be_is_unknown_and_the_line_stays(
    tmp_path: Path, field: str, value: object, column: str
) -> None:
    done = Import(tmp_path, rental(**{field: value}))
    assert done.rows(CUSTOMERS)[0][column] is None
    assert done.report.imported == 1


@pytest.mark.parametrize("field", ["bust size", "weight", "rating", "height", "age", "review_text", "body type"])
def test_optional_fields_may_be_absent(tmp_path: Path, field: str) -> None:
    assert Import(tmp_path, without(field)).report.imported == 1


def test_what_is_written_after_wearing_is_nowhere_in_the_lakehouse(tmp_path: Path) -> None:
    done = Import(tmp_path, rental())
    stored = str([done.rows(table) for table in (CUSTOMERS, ARTICLES, ORDERS)])
    assert not [word for word in ("Wore it twice", "Lovely", "vacation", "hourglass") if word in stored]


@pytest.mark.parametrize("field", ["fit", "user_id", "item_id", "category", "size", "review_date"])
def test_a_line_without_a_required_field_is_counted_under_it(tmp_path: Path, field: str) -> None:
    report = Import(tmp_path, rental(), without(field), rental(**{field: None})).report
    assert report.malformed == {f"{field} is missing": 2}
    assert report.imported == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "not an object"),
        (rental(fit="tight"), "fit is none of"),
        (rental(review_date="April 31, 2016"), "review_date is no date"),
        (rental(review_date="2016-04-20"), "review_date is no date"),
        (rental(size=-1), "size is no whole number"),
        (rental(size=4.5), "size is no whole number"),
        (rental(size="M"), "size is no whole number"),
        (rental(size=True), "size is no whole number"),
        (rental(size="9" * 5000), "size is no whole number"),
        (rental(fit=["fit"]), "fit is no text"),
        (rental(user_id={}), "user_id is no text"),
        (rental(item_id="\ud800"), "item_id is no text"),
        ("[" * 200_000, "not JSON"),
    ],
)
def test_a_malformed_line_is_counted_under_its_reason(tmp_path: Path, line: dict[str, Any] | str, reason: str) -> None:
    report = Import(tmp_path, rental(), line).report
    [(counted, examples)] = report.examples.items()
    assert counted.startswith(reason)
    assert examples == [2]
    assert (report.lines, report.imported) == (2, 1)


def test_every_line_is_imported_or_counted(tmp_path: Path) -> None:
    report = Import(tmp_path, rental(), "x", rental(size=-1), rental(), without("fit"), "[]").report
    assert report.imported + report.malformed.total() == report.lines == 6


def test_only_the_first_malformed_lines_are_named_and_all_are_counted(tmp_path: Path) -> None:
    report = Import(tmp_path, rental(), *["x"] * 20).report
    assert report.malformed["not JSON"] == 20
    assert report.examples["not JSON"] == [2, 3, 4, 5, 6]


def test_size_zero_is_a_size(tmp_path: Path) -> None:
    assert Import(tmp_path, rental(size=0)).rows(ORDERS)[0]["size"] == "0"


def test_a_file_without_any_good_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no line of the RentTheRunway schema among its 2.*fit is missing"):
        Import(tmp_path, without("fit"), without("fit"))


def test_an_import_replaces_the_one_before(tmp_path: Path) -> None:
    Import(tmp_path, rental(), rental())
    assert len(Import(tmp_path, rental(fit="small")).rows(ORDERS)) == 1


def test_a_gzipped_file_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "rentals.json.gz"
    path.write_bytes(gzip.compress(json.dumps(rental()).encode()))
    assert import_renttherunway([path], Lake.open(str(tmp_path / "lake")), "us").imported == 1


def test_a_damaged_gzip_file_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    path, lake = tmp_path / "rentals.json.gz", Lake.open(str(tmp_path / "lake"))
    whole = gzip.compress("\n".join(json.dumps(rental(user_id=str(user))) for user in range(2_000)).encode())
    for place in range(20, len(whole) - 20, len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(DataError, match="cannot be read after line"):
            import_renttherunway([path], lake, "us")


def test_a_file_cut_short_is_refused_with_the_line_and_nothing_is_written(tmp_path: Path) -> None:
    path, lake = tmp_path / "rentals.json.gz", Lake.open(str(tmp_path / "lake"))
    path.write_bytes(gzip.compress(json.dumps(rental()).encode())[:-6])
    with pytest.raises(DataError, match="cannot be read after line"):
        import_renttherunway([path], lake, "us")
    assert lake.markets() == []


def test_an_absent_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json"):
        import_renttherunway([tmp_path / "nowhere.json"], Lake.open(str(tmp_path / "lake")), "us")


@pytest.mark.parametrize(("text", "bust_cm"), [("34aa", 87.6), ("32ddd/e", 96.5), ("36f", 106.7)])
def test_a_bust_size_is_two_measures(tmp_path: Path, text: str, bust_cm: float) -> None:
    [customer] = Import(tmp_path, rental(**{"bust size": text})).rows(CUSTOMERS)
    assert customer["bust_cm"] == bust_cm
    assert customer["underbust_cm"] == round(int(text[:2]) * 2.54, 1)


@pytest.mark.parametrize("text", ["34", "d34", "34q", "", "99j", None, 34])
def test_a_bust_size_that_is_none_is_unknown(tmp_path: Path, text: object) -> None:
    [customer] = Import(tmp_path, rental(**{"bust size": text})).rows(CUSTOMERS)
    assert (customer["bust_cm"], customer["underbust_cm"]) == (None, None)


def test_of_those_who_only_ask_the_body_and_the_article_become_known_and_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps(rental()), encoding="utf-8")
    asks = rental(user_id="200", item_id="8", fit="small", weight="150lbs", size=20, review_date="May 2, 2017")
    second.write_text(json.dumps(asks), encoding="utf-8")
    lake = Lake.open(str(tmp_path / "lake"))
    write_rentals(read_rentals([first])[0], lake, "us", asking=read_rentals([second])[0])
    assert lake.read(ORDERS, "us")["customer_id"].to_pylist() == ["100"]
    assert lake.read(RETURNS, "us").num_rows == 0
    customers = {row["customer_id"]: row for row in lake.read(CUSTOMERS, "us").to_pylist()}
    assert customers["200"]["weight_kg"] == 68.0
    assert customers["200"]["registered_at"] == DAY, "known by the time the training data ends"
    assert {row["article_id"]: row["sizes"] for row in lake.read(ARTICLES, "us").to_pylist()}["8"] == ["20"]
