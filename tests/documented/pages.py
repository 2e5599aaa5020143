"""What the pages of the documentation show: each command of each block of shell, with the page and the line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from libs.base.environment import REPOSITORY

_FENCE = re.compile(r"^ *```(\w*)")
_COMMENT = re.compile(r"(^|\s+)# .*$")


@dataclass(frozen=True)
class Shown:
    """One command; one that goes on over several lines is joined."""

    page: str
    line: int
    command: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.command}"


def pages() -> list[Path]:
    """Every page that people read."""
    top = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
    return [*top, *sorted((REPOSITORY / "docs").glob("**/*.md")), *sorted((REPOSITORY / "infra").glob("**/*.md"))]


@cache
def shown() -> tuple[Shown, ...]:
    """Every command, in the order of the pages."""
    return tuple(one for page in pages() for one in commands_of(page))


def commands_of(page: Path) -> Iterator[Shown]:
    """The commands of one page."""
    name = page.relative_to(REPOSITORY).as_posix() if page.is_relative_to(REPOSITORY) else page.name
    for start, lines in blocks(page, "sh"):
        number, so_far = start, ""
        for offset, line in enumerate(lines):
            text = _COMMENT.sub("", line).rstrip()
            number = number if so_far else start + offset
            so_far = f"{so_far} {text.strip()}".strip()
            if so_far.endswith("\\"):
                so_far = so_far[:-1].strip()
            elif so_far:
                yield from (Shown(name, number, one) for one in so_far.split(" && "))
                so_far = ""


def blocks(page: Path, language: str) -> Iterator[tuple[int, list[str]]]:
    """The blocks of a language on a page, each with the number of its first line."""
    inside, found = "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and inside:
            if inside == language:
                yield number - len(found), found
            inside = ""
        elif fence:
            inside, found = fence[1] or "text", []
        elif inside:
            found.append(line)
