"""A format's number goes with the values, and comes off again; what is newer is never guessed at."""

import pytest

from libs.base.errors import DataError
from libs.base.stored_format import numbered, values_of


def test_the_number_goes_with_the_values_and_comes_off_again() -> None:
    stored = numbered({"market": "de"}, 2)
    assert stored == {"format": 2, "market": "de"}
    assert values_of(stored, 2, "it") == {"market": "de"}
    assert values_of(stored, 3, "it") == {"market": "de"}


def test_values_without_a_number_are_of_the_first_format() -> None:
    assert values_of({"market": "de"}, 1, "it") == {"market": "de"}


def test_a_newer_format_is_refused_by_name_with_what_to_do() -> None:
    with pytest.raises(DataError, match=r"^the ledger is of format 3, and .* up to 2\. Ask the one who wrote it\.$"):
        values_of(numbered({}, 3), 2, "the ledger", "Ask the one who wrote it.")
