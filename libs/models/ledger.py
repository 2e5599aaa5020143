"""What became champion when, by whom, why, and from which version.

It is append-only: one numbered file an entry, a folder a market.

A number is taken once: an entry's file appears whole, under a name that the file system gives to one writer only, on a
shared disk too. So an entry that was decided upon an older state than the last is refused by the disk itself, however
late it comes, and whatever has become of locks.
"""

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from libs.base.errors import TransientError
from libs.base.stored_format import decoding, numbered, values_of
from libs.models.single_file_ledger import take_over

# Raised with each change of an entry's fields.
_FORMAT = 3

Action = Literal["first", "shadow", "canary", "promote", "reject", "withdraw", "rollback"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Entry:
    """One change. `previous` is the champion that `version` replaces, or that goes on; `evidence` is the verdict's.

    `canary_share`: the share of the customers that a canary's version answers from then on. `by`: who asked for it, as
    `user@host` or a key of the console; releases before this one did not say.
    """

    market: str
    action: Action
    version: str
    previous: str | None
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict, hash=False)
    at: str = field(default_factory=_now)
    canary_share: float | None = None
    by: str | None = None


class Ledger:
    """One environment's ledger under `<home>/ledger/`; one of an early release is taken over.

    Raises:
        DataError: of an early release's file a line is no entry, or its market has another history.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "ledger"
        take_over(self._folder, _entry)

    def append(self, entry: Entry, after: int) -> bool:
        """Add an entry as the one after number `after`; it is on disk when this returns.

        False: there is one after that number already, and this one is not added.

        Raises:
            TransientError: the disk is full or away.
        """
        folder = self._folder / entry.market
        draft = folder / f".{secrets.token_hex(8)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                json.dump(numbered(asdict(entry), _FORMAT), file)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, self._file(entry.market, after + 1))
            # Asked of the file, since a network file system may call a link refused that it has made.
            added = draft.stat().st_nlink > 1
            draft.unlink()
            _sync(folder)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise TransientError(f"the ledger in {folder} takes no entry: {error}. Try again.") from error
        return added

    def entries(self, market: str) -> list[Entry]:
        """A market's history, oldest first."""
        return [_read(path) for path in sorted((self._folder / market).glob("[0-9]*.json"))]

    def markets(self) -> list[str]:
        """Those that have a history, also if the environment has them no more."""
        return sorted(path.name for path in self._folder.glob("[!.]*") if path.is_dir())

    def last(self, market: str) -> Entry | None:
        """The newest entry, if any."""
        entries = self.entries(market)
        return entries[-1] if entries else None

    def settle(self, market: str, number: int) -> None:
        """Note that registry and Serve have been made to follow an entry."""
        self._settled(market, number).touch()

    def is_settled(self, market: str, number: int) -> bool:
        """Whether registry and Serve have been made to follow an entry; number 0 is before the first."""
        return number == 0 or self._settled(market, number).exists()

    def _file(self, market: str, number: int) -> Path:
        return self._folder / market / f"{number:06}.json"

    def _settled(self, market: str, number: int) -> Path:
        return self._file(market, number).with_suffix(".settled")


def _read(path: Path) -> Entry:
    return _entry(path.read_bytes(), str(path))


def _entry(text: str | bytes, what: str) -> Entry:
    with decoding(f"{what} is not a ledger entry"):
        return Entry(**values_of(json.loads(text), _FORMAT, what))


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
