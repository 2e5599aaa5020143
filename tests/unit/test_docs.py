"""Every command that the docs show is one that the command line takes."""

import importlib
import re
import shlex
from collections.abc import Iterator

import pytest
from cyclopts import App, CycloptsError

from infra.cli import app as fitwave
from libs.base.environment import REPOSITORY

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown() -> Iterator[tuple[str, str]]:
    """Each command with the page it stands on."""
    for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("**/*.md"))):
        for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.splitlines():
                command = line.partition(" #")[0].strip()
                if command.startswith(("fitwave ", "python -m benchmarks.")):
                    yield page.name, command


def parse(command: str) -> object:
    """Parse a command as its app would, and run nothing."""
    program, *tokens = shlex.split(command.replace("...", ""))
    app: App = fitwave
    if program == "python":
        module = importlib.import_module(tokens[1])
        app = getattr(module, "app", None) or importlib.import_module(f"{tokens[1]}.__main__").app
        tokens = tokens[2:]
    found, *_ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    return found


@pytest.mark.parametrize(("page", "command"), list(shown()), ids=lambda value: value)
def test_a_command_of_the_docs_is_taken(page: str, command: str) -> None:
    assert callable(parse(command))


def test_there_are_commands_in_the_docs() -> None:
    pages = {page for page, _ in shown()}
    assert {"README.md", "tuning.md", "verdicts.md", "quality.md", "performance.md"} <= pages


@pytest.mark.parametrize(
    "command", ["fitwave trainer rnu", "fitwave score --market de", "python -m benchmarks.bulk --x 1"]
)
def test_a_command_that_is_none_is_not(command: str) -> None:
    with pytest.raises(CycloptsError):
        parse(command)
