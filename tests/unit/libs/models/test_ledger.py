"""The ledger: append-only, each number given once, readable after a crash of whoever wrote it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from libs.base.errors import DataError
from libs.models.ledger import Entry, Ledger


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = Entry("de", "first", "1", None, "the first")
    second = Entry("de", "promote", "2", "1", "better", {"quality": 0.1})
    assert ledger.append(first, after=0)
    assert ledger.append(second, after=1)
    assert ledger.entries("de") == [first, second]
    assert ledger.last("de") == second
    assert ledger.entries("us") == []


def test_an_entry_that_was_decided_upon_an_older_state_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(Entry("de", "first", "1", None, ""), after=0)
    promoted = Entry("de", "promote", "2", "1", "better")
    assert ledger.append(promoted, after=1)
    assert not ledger.append(Entry("de", "promote", "3", "1", "late"), after=1)
    assert ledger.entries("de")[1:] == [promoted]


def test_of_many_writers_at_once_one_has_the_number(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    entries = [Entry("de", "first", str(number), None, "") for number in range(32)]
    with ThreadPoolExecutor(16) as pool:
        added = list(pool.map(lambda entry: ledger.append(entry, after=0), entries))
    assert ledger.entries("de") == [entry for entry, done in zip(entries, added, strict=True) if done]
    assert sum(added) == 1


def test_what_a_killed_writer_has_left_is_no_entry(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = Entry("de", "first", "1", None, "")
    ledger.append(first, after=0)
    (tmp_path / "ledger" / "de" / ".0123456789abcdef").write_text('{"market": "de"')
    assert ledger.entries("de") == [first]


def test_an_entry_is_settled_when_everything_follows_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.is_settled("de", 0)
    ledger.append(Entry("de", "first", "1", None, ""), after=0)
    assert not ledger.is_settled("de", 1)
    ledger.settle("de", 1)
    assert ledger.is_settled("de", 1)
    assert len(ledger.entries("de")) == 1


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(Entry("de", "first", "1", None, ""), after=0)
    (tmp_path / "ledger" / "de" / "000002.json").write_text('{"market": "de"')
    with pytest.raises(DataError, match=r"000002\.json is not a ledger entry"):
        ledger.entries("de")


def test_knows_the_markets_that_have_a_history(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.markets() == []
    for market in ("us", "de"):
        ledger.append(Entry(market, "first", "1", None, ""), after=0)
    assert ledger.markets() == ["de", "us"]
