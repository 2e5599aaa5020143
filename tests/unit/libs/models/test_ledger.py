"""The ledger: append-only, idempotent, readable after a crash of whoever wrote it."""

from pathlib import Path

import pytest

from libs.base.errors import DataError
from libs.models.ledger import Entry, Ledger


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = Entry("de", "first", "1", None, "the first")
    second = Entry("de", "promote", "2", "1", "better", {"quality": 0.1})
    ledger.append(first)
    ledger.append(second)
    assert ledger.entries("de") == [first, second]
    assert ledger.last("de") == second
    assert ledger.entries("us") == []


def test_the_same_change_is_written_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for _ in range(2):
        ledger.append(Entry("de", "promote", "2", "1", "better"))
    assert len(ledger.entries("de")) == 1


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(Entry("de", "first", "1", None, ""))
    with (tmp_path / "ledger" / "de.jsonl").open("a") as file:
        file.write('{"market": "de"')
    with pytest.raises(DataError, match=r"de\.jsonl, line 2, is not a ledger entry"):
        ledger.entries("de")
