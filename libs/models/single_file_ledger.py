"""Ledgers of the first releases, one `<market>.jsonl` each, taken over into numbered files: once, all of it or nothing.

The old file goes into the market's folder, where nobody reads it and nothing of it is lost.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from libs.base.errors import DataError

_KEPT_AS = "single-file.jsonl"


def take_over(ledgers: Path, check: Callable[[str, str], object]) -> None:
    """Take over what an environment's folder of ledgers has of such files; `check` reads a text, named, as an entry.

    Of the last entry nobody noted whether registry and Serve follow it, so they are made to, as after a crash.

    Raises:
        DataError: a line is not an entry, or the market has another history by now.
    """
    for path in sorted(ledgers.glob("*.jsonl")):
        with suppress(FileNotFoundError):  # another process was as far, and has moved it
            _take_over(path, check)


def _take_over(path: Path, check: Callable[[str, str], object]) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        check(line, f"{path}, line {number},")
    folder, draft = path.with_suffix(""), path.with_name(f".{path.stem}-{secrets.token_hex(8)}")
    draft.mkdir()
    try:
        for number, line in enumerate(lines, start=1):
            _write(draft / f"{number:06}.json", line)
            if number < len(lines):
                (draft / f"{number:06}.settled").touch()
        with suppress(OSError):  # there is one with entries; which ones is seen below
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if [entry.read_text(encoding="utf-8") for entry in sorted(folder.glob("[0-9]*.json"))[: len(lines)]] != lines:
        raise DataError(
            f"{path} is a ledger of an early release, and {folder} has another history of the same market. Move away "
            f"the one that does not hold; `fitwave shadow history` shows the other."
        )
    path.rename(folder / _KEPT_AS)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
