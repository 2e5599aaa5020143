"""Parts of a documentation page that a benchmark makes anew."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def replace_between_marks(page: Path, benchmark: str, lines: Sequence[str]) -> None:
    """Put these lines between the two marks that the benchmark has in the page.

    Raises:
        ValueError: the page has not exactly one pair of them.
    """
    begin, end = (f"<!-- made by {benchmark}: {which} -->" for which in ("begin", "end"))
    before, rest = page.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    page.write_text(before + "\n".join([begin, "", *lines, "", end]) + after, encoding="utf-8")


def report(found: Mapping[str, Any], table: Sequence[str], benchmark: str, out: Path, page: Path | None) -> None:
    """Write a run's figures as JSON and its table into the page, if one is named, and print the table."""
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if page is not None:
        replace_between_marks(page, benchmark, table)
    print("\n".join(table))
