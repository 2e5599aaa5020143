"""What became champion when, why, and from which version: append-only, one file per market."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from libs.base.errors import DataError

Action = Literal["first", "shadow", "promote", "reject", "rollback"]


@dataclass(frozen=True)
class Entry:
    """One change. `evidence` is the verdict's, or the reason an operator gave."""

    market: str
    action: Action
    version: str
    previous: str | None
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


class Ledger:
    """One environment's ledger under `<home>/ledger/`."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "ledger"

    def append(self, entry: Entry) -> None:
        """Add an entry; it is on disk when this returns. The same change as the last entry is not written twice, so
        that a promotion that is run again after a crash leaves one entry.
        """
        last = self.last(entry.market)
        if last is not None and _same(last, entry):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._file(entry.market).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self, market: str) -> list[Entry]:
        """A market's history, oldest first."""
        path = self._file(market)
        if not path.exists():
            return []
        found = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                found.append(Entry(**json.loads(line)))
            except (json.JSONDecodeError, TypeError) as error:
                raise DataError(f"{path}, line {number}, is not a ledger entry: {error}") from error
        return found

    def last(self, market: str) -> Entry | None:
        """The newest entry, if any."""
        entries = self.entries(market)
        return entries[-1] if entries else None

    def _file(self, market: str) -> Path:
        return self._folder / f"{market}.jsonl"


def _same(one: Entry, other: Entry) -> bool:
    return (one.action, one.version, one.previous) == (other.action, other.version, other.previous)
