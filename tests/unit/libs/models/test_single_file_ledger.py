"""A ledger of an early release is taken over once, whole or not at all, and nothing of it is lost."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from libs.base.environment import REPOSITORY
from libs.base.errors import DataError
from libs.models.ledger import Entry, Ledger

STORED = REPOSITORY / "tests" / "stored"
EARLY = STORED / "single-file" / "ledger" / "de.jsonl"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(STORED / "single-file", tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_history_goes_on_where_the_early_release_left_it(home: Path) -> None:
    ledger = Ledger(home)
    told = [(entry.action, entry.version, entry.previous) for entry in ledger.entries("de")]
    assert told == [("first", "1", None), ("shadow", "2", "1"), ("promote", "2", "1")]
    assert ledger.append(Entry("de", "rollback", "1", "2", "returns rose"), after=3)


def test_registry_and_serve_are_made_to_follow_the_last_entry_once_more(home: Path) -> None:
    ledger = Ledger(home)
    assert [ledger.is_settled("de", number) for number in (1, 2, 3)] == [True, True, False]


def test_the_early_file_is_kept_and_read_no_more(home: Path) -> None:
    Ledger(home)
    assert not (home / "ledger" / "de.jsonl").exists()
    assert (home / "ledger" / "de" / "single-file.jsonl").read_bytes() == EARLY.read_bytes()
    assert len(Ledger(home).entries("de")) == 3


def test_a_damaged_line_is_named_and_nothing_is_taken_over(home: Path) -> None:
    early = home / "ledger" / "de.jsonl"
    early.write_text(EARLY.read_text() + '{"market": "de"')
    with pytest.raises(DataError, match=r"de\.jsonl, line 4, is not a ledger entry"):
        Ledger(home)
    assert [path.name for path in (home / "ledger").iterdir()] == ["de.jsonl"]


def test_one_that_was_killed_on_the_way_is_finished(home: Path) -> None:
    Ledger(home)
    # It had made the folder, and not yet moved the file.
    shutil.copy(EARLY, home / "ledger" / "de.jsonl")
    assert len(Ledger(home).entries("de")) == 3
    assert not (home / "ledger" / "de.jsonl").exists()


def test_of_two_histories_neither_is_taken(tmp_path: Path) -> None:
    Ledger(tmp_path).append(Entry("de", "first", "7", None, "another"), after=0)
    shutil.copy(EARLY, tmp_path / "ledger" / "de.jsonl")
    with pytest.raises(DataError, match="another history of the same market"):
        Ledger(tmp_path)
    assert (tmp_path / "ledger" / "de.jsonl").read_bytes() == EARLY.read_bytes()


def test_many_processes_at_once_take_it_over_once(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Ledger(home).entries("de"), range(16)))
    assert all(len(entries) == 3 for entries in found)
    assert sorted(path.name for path in (home / "ledger").iterdir()) == ["de"]
