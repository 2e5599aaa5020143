"""What a benchmark learns from and what it is asked about: every line is one of them, or it is said why not."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rentals import Rentals, read_both, split_one
from libs.base.errors import DataError

FIRST_DAY = date(2016, 1, 1)


def rental(user: int, **changes: Any) -> dict[str, Any]:
    values = {"fit": "fit", "user_id": f"u{user}", "item_id": "7", "category": "gown", "size": 14}
    return values | {"review_date": "April 20, 2016"} | changes


def on(day: int) -> str:
    return f"{FIRST_DAY + timedelta(days=day):%B %d, %Y}"


def written(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
    return path


def both(folder: Path, train: Sequence[dict[str, Any] | str], test: Sequence[dict[str, Any] | str]) -> Rentals:
    return read_both([written(folder / "train.json", *train)], written(folder / "test.json", *test))


def users(rentals: Sequence[Any]) -> list[str]:
    return [one.user for one in rentals]


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    """Ten days of ten rentals each, the latest day first."""
    return written(tmp_path / "all.json", *(rental(user, review_date=on(9 - user // 10)) for user in range(100)))


def test_two_files_are_taken_as_they_are(tmp_path: Path) -> None:
    found = both(tmp_path, [rental(1), rental(2, fit="small")], [rental(3, fit="large")])
    assert users(found.train) == ["u1", "u2"]
    assert users(found.test) == ["u3"]
    assert [one.reason for one in (*found.train, *found.test)] == [None, "too_small", "too_large"]
    assert found.notes == []


def test_all_files_to_learn_from_are_read(tmp_path: Path) -> None:
    train = [written(tmp_path / f"train{user}.json", rental(user)) for user in (1, 2)]
    found = read_both(train, written(tmp_path / "test.json", rental(3)))
    assert users(found.train) == ["u1", "u2"]
    assert len({one.line_id for one in found.train}) == 2


def test_a_rental_in_both_files_is_asked_about_and_not_trained_on(tmp_path: Path) -> None:
    found = both(tmp_path, [rental(1), rental(2), rental(2), rental(3)], [rental(4), rental(2)])
    assert users(found.train) == ["u1", "u3"]
    assert users(found.test) == ["u4", "u2"]
    assert found.notes == ["train: 2 rentals are in the test file too and are not trained on"]


@pytest.mark.parametrize("said", ["small", "large"])
def test_it_is_the_same_rental_whatever_outcome_the_test_file_gives_it(tmp_path: Path, said: str) -> None:
    found = both(tmp_path, [rental(1), rental(2)], [rental(2, fit=said)])
    assert users(found.train) == ["u1"]


@pytest.mark.parametrize("change", [{"user_id": "x"}, {"item_id": "8"}, {"size": 16}, {"review_date": on(0)}])
def test_another_customer_article_size_or_day_is_another_rental(tmp_path: Path, change: dict[str, Any]) -> None:
    found = both(tmp_path, [rental(1)], [rental(1, **change)])
    assert (len(found.train), len(found.test)) == (1, 1)
    assert found.notes == []


def test_equal_lines_of_one_file_are_rentals_of_their_own(tmp_path: Path) -> None:
    found = both(tmp_path, [rental(1), rental(1)], [rental(2), rental(2)])
    assert users(found.train) == ["u1", "u1"]
    assert users(found.test) == ["u2", "u2"]


def test_a_test_file_that_holds_all_of_the_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"all 2 rentals of --train are in .*test\.json too: nothing is left"):
        both(tmp_path, [rental(1), rental(2)], [rental(1), rental(2), rental(3)])


def test_a_test_file_without_outcomes_is_refused_by_what_is_missing(tmp_path: Path) -> None:
    asked = {name: value for name, value in rental(2).items() if name != "fit"}
    with pytest.raises(DataError, match=r"test\.json has no line .* among its 2: \{'fit is missing': 2\}"):
        both(tmp_path, [rental(1)], [asked, asked])


def test_lines_left_out_are_counted_and_named_by_file_and_reason(tmp_path: Path) -> None:
    malformed = rental(2, review_date="2016-04-20")
    found = both(tmp_path, [rental(1), "{", malformed, "x"], ["[]", rental(3)])
    assert users(found.train) == ["u1"]
    assert users(found.test) == ["u3"]
    assert found.notes == [
        "train: 2 of 4 lines left out, not JSON (first at [2, 4])",
        "train: 1 of 4 lines left out, review_date is no date like April 20, 2016 (first at [3])",
        "test: 1 of 2 lines left out, not an object (first at [1])",
    ]


@pytest.mark.parametrize("size", [101, -1, "M", 14.5])
def test_a_size_outside_the_scale_is_left_out_of_either_file_and_said(tmp_path: Path, size: object) -> None:
    found = both(tmp_path, [rental(1), rental(2, size=size)], [rental(3, size=size), rental(4)])
    assert users(found.train) == ["u1"]
    assert users(found.test) == ["u4"]
    reason = "size is no whole number from 0 to 100"
    assert found.notes == [
        f"train: 1 of 2 lines left out, {reason} (first at [2])",
        f"test: 1 of 2 lines left out, {reason} (first at [1])",
    ]


@pytest.mark.parametrize("size", [0, 100, "58"])
def test_the_scale_ends_at_0_and_100(tmp_path: Path, size: object) -> None:
    found = both(tmp_path, [rental(1, size=size)], [rental(2)])
    assert [one.size for one in found.train] == [int(str(size))]


def test_a_category_that_was_never_trained_on_is_asked_about(tmp_path: Path) -> None:
    found = both(tmp_path, [rental(1)], [rental(2, category="never seen")])
    assert [one.category for one in found.test] == ["never seen"]
    assert found.notes == []


@pytest.mark.parametrize("split", ["random", "time"])
def test_a_split_holds_out_a_tenth_and_loses_nothing(hundred: Path, split: Any) -> None:
    found = split_one([hundred], split, seed=1)
    assert (len(found.train), len(found.test)) == (90, 10)
    assert {*users(found.train), *users(found.test)} == {f"u{user}" for user in range(100)}


def test_a_random_split_is_that_of_its_seed(hundred: Path) -> None:
    assert split_one([hundred], "random", seed=1) == split_one([hundred], "random", seed=1)
    assert users(split_one([hundred], "random", seed=1).test) != users(split_one([hundred], "random", seed=2).test)


def test_a_random_split_holds_out_rentals_of_many_days(hundred: Path) -> None:
    assert len({one.at for one in split_one([hundred], "random", seed=1).test}) > 3


def test_a_split_by_time_holds_out_the_latest_days_and_parts_none(hundred: Path) -> None:
    found = split_one([hundred], "time", seed=1)
    assert max(one.at for one in found.train) < min(one.at for one in found.test)
    assert found == split_one([hundred], "time", seed=2)


def test_a_split_by_time_counts_days_and_not_rentals(tmp_path: Path) -> None:
    days = [*range(19), *[19] * 50]
    path = written(tmp_path / "all.json", *(rental(user, review_date=on(day)) for user, day in enumerate(days)))
    found = split_one([path], "time", seed=0)
    assert users(found.train) == [f"u{user}" for user in range(18)]
    assert len(found.test) == 51


def test_equal_lines_of_one_file_are_split_as_rentals_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "all.json", *[rental(1)] * 20)
    found = split_one([path], "random", seed=0)
    assert (len(found.train), len(found.test)) == (18, 2)


def test_lines_left_out_of_a_split_are_said(tmp_path: Path) -> None:
    path = written(tmp_path / "all.json", "x", *(rental(user) for user in range(10)))
    assert split_one([path], "random", seed=0).notes == ["file: 1 of 11 lines left out, not JSON (first at [1])"]


def test_too_few_days_are_refused_with_how_many_are_needed_and_what_to_say_instead(tmp_path: Path) -> None:
    lines = [rental(user, review_date=on(user % 9)) for user in range(90)]
    with pytest.raises(DataError, match=r"9 days are too few .* 10 are needed: say --split random"):
        split_one([written(tmp_path / "all.json", *lines)], "time", seed=0)
    found = split_one([written(tmp_path / "all.json", *lines, rental(90, review_date=on(9)))], "time", seed=0)
    assert users(found.test) == ["u90"]


@pytest.mark.parametrize("split", ["random", "time"])
def test_too_few_rentals_are_refused_with_how_many_are_needed(tmp_path: Path, split: Any) -> None:
    lines = [rental(user, review_date=on(user)) for user in range(9)]
    with pytest.raises(DataError, match="9 rentals are too few to be split, 10 are needed: give more files"):
        split_one([written(tmp_path / "all.json", *lines)], split, seed=0)
