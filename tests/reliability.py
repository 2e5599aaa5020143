"""The reliability table: what each test with a `row` mark has measured, and the page that `make chaos` makes of it.

    @pytest.mark.row("1", "a replica is killed every 10 s under load", "0 failures; replaced in 10 s")
    def test_...(figure): ... figure("3,000 requests, 0 failed; replaced in 4.1 s at most")

`python -m tests.reliability FOLDER` puts the table into docs/reliability.md, of everything that was kept in FOLDER.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from libs.base.environment import REPOSITORY

PAGE = REPOSITORY / "docs" / "reliability.md"
# Where figures are kept; without it they are only printed.
FOLDER_VARIABLE = "FIGURES"
_BEGIN, _END = "<!-- made by make chaos -->", "<!-- until here -->"


@dataclass(frozen=True)
class Row:
    """What a test has measured. `number` is the row's, `bar` what passes, `figures` what was found.

    `held`: None where it was not run.
    """

    number: str
    what: str
    bar: str
    test: str
    figures: tuple[str, ...]
    held: bool | None

    def __str__(self) -> str:
        found = "; ".join(self.figures)
        told = _told([self.held])
        return f"row {self.number}, {told if self.held else told.upper()}: {self.what}: {found} ({self.bar})"


def keep(row: Row) -> None:
    """Leave a row for the page, if somebody makes one of this run; it takes the place of the test's last one."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{row.number} {row.what} {row.test}".encode()).hexdigest()[:16]
        (Path(folder) / f"{name}.json").write_text(json.dumps(asdict(row)), encoding="utf-8")


def kept(folder: Path) -> list[Row]:
    """All rows of a run, in order."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    rows = [Row(**values | {"figures": tuple(values["figures"])}) for values in found]
    return sorted(rows, key=lambda row: (_place(row.number), row.test))


def table(rows: Iterable[Row]) -> str:
    """The rows as a table in Markdown; several tests of one row stand in one line."""
    return "\n".join(["| # | test | passes | measured | |", "|---|---|---|---|---|", *_lines(rows)])


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    for (number, what, bar), tests in groupby(rows, lambda row: (row.number, row.what, row.bar)):
        found = list(tests)
        figures = "<br>".join(figure.replace("|", "\\|") for row in found for figure in row.figures)
        told = _told([row.held for row in found])
        yield f"| {number} | {what} | {bar} | {figures} | {told if told == 'held' else f'**{told}**'} |"


def _told(held: list[bool | None]) -> str:
    if None in held:
        return "not run"
    return "held" if all(held) else "not held"


def _place(number: str) -> tuple[int, str]:
    """Where a row stands: those of numbers first."""
    return (int(number), "") if number.isdecimal() else (10_000, number)


def write(rows: list[Row]) -> None:
    """Put the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    made = f"{_BEGIN}\n{table(rows)}\n{_END}"
    PAGE.write_text(re.sub(f"{_BEGIN}.*{_END}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    write(kept(Path(sys.argv[1])))
