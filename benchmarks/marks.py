"""Parts of a documentation page that a benchmark makes anew."""

from collections.abc import Sequence
from pathlib import Path


def replace_between_marks(page: Path, benchmark: str, lines: Sequence[str]) -> None:
    """Put these lines between the two marks that the benchmark has in the page.

    Raises:
        ValueError: the page has not exactly one pair of them.
    """
    begin, end = (f"<!-- made by {benchmark}: {which} -->" for which in ("begin", "end"))
    before, rest = page.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    page.write_text(before + "\n".join([begin, "", *lines, "", end]) + after, encoding="utf-8")
