"""The documentation keeps its word: its commands are taken, each is run or says why not, and its links lead on."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cyclopts import App, CycloptsError

from apps.serve.api_page import PAGE, with_reference
from apps.serve.documentation import openapi
from infra.cli import app as fitwave
from libs.base.environment import REPOSITORY, Gateway
from tests.documented.pages import Shown, blocks, commands_of, pages, shown
from tests.documented.steps import NOT_RUN, STEPS, reason_not_to_run

_INLINE = re.compile(r"`(fitwave [a-z][^`]*)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NAMED_TEST = re.compile(r"`(test_\w+)`")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


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


def parsed() -> list[Shown]:
    """Each command of ours, once."""
    ours = [one for one in shown() if one.command.startswith(("fitwave ", "python -m benchmarks."))]
    return list({one.command: one for one in ours}.values())


@pytest.mark.parametrize("one", parsed(), ids=str)
def test_a_command_of_the_docs_is_taken(one: Shown) -> None:
    assert callable(parse(one.command))


def test_every_command_of_the_docs_is_run_or_says_why_not() -> None:
    run = {step.command for step in STEPS}
    neither = [str(one) for one in shown() if one.command not in run and reason_not_to_run(one.command) is None]
    assert neither == [], "add these to STEPS or NOT_RUN of tests/documented/steps.py:\n" + "\n".join(neither)


def test_no_step_and_no_reason_is_left_over() -> None:
    there = {one.command for one in shown()}
    assert [step.command for step in STEPS if step.command not in there] == []
    assert [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, command) for command in there)] == []
    assert [step.command for step in STEPS if reason_not_to_run(step.command)] == []


def test_there_are_commands_in_the_docs() -> None:
    found = {one.page for one in shown()}
    assert {"README.md", "docs/tuning.md", "docs/verdicts.md", "docs/quality.md", "docs/api.md"} <= found


@pytest.mark.parametrize(
    "command", ["fitwave trainer rnu", "fitwave score --market de", "python -m benchmarks.bulk --x 1"]
)
def test_a_command_that_is_none_is_not(command: str) -> None:
    with pytest.raises(CycloptsError):
        parse(command)


def test_commands_are_read_as_a_shell_would(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        """text\n```sh\n# a comment\none  # why\n\ntwo \\\n  --more '#1'\nthree && four\n```\n```\nno\n```\n"""
    )
    assert [(one.line, one.command) for one in commands_of(page)] == [
        (4, "one"),
        (6, "two --more '#1'"),
        (8, "three"),
        (8, "four"),
    ]


def inline() -> Iterator[tuple[str, str]]:
    for page in pages():
        for command in _INLINE.findall(page.read_text(encoding="utf-8")):
            yield page.name, " ".join(command.split())


@pytest.mark.parametrize(("page", "command"), sorted(set(inline())), ids=lambda value: value)
def test_a_command_that_a_sentence_names_exists(page: str, command: str) -> None:
    _, apps, rest = fitwave.parse_commands(shlex.split(command.replace("...", ""))[1:])
    assert len(apps) > 1, f"{page}: there is no `{command}`"
    assert not rest or apps[-1].default_command, f"{page}: there is no `{command}`"


def test_python_that_the_docs_show_imports_what_there_is() -> None:
    shown_python = ["\n".join(lines) for page in pages() for _, lines in blocks(page, "python")]
    imports = [node for text in shown_python for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    assert imports
    for one in imports:
        # The client's package has a name of its own in its wheel.
        module = importlib.import_module(str(one.module).replace("fitwave_client", "libs.client"))
        assert [alias.name for alias in one.names if not hasattr(module, alias.name)] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{page.name}: {link}"


def test_a_test_that_a_page_names_as_proof_is_there() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    named = {name for page in pages() for name in _NAMED_TEST.findall(page.read_text(encoding="utf-8"))}
    assert named
    assert sorted(name for name in named if f"def {name}(" not in tests) == []


def test_make_targets_that_the_docs_name_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {one.command.split()[1] for one in shown() if one.command.startswith("make ")}
    assert named <= targets


def test_the_api_reference_is_that_of_the_openapi_document() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_reference(page, msgspec.json.decode(openapi(Gateway().max_articles))), "say make reference"


def test_a_page_that_can_be_opened_says_what_it_is_for() -> None:
    assert [page.name for page in pages() if not page.read_text(encoding="utf-8").startswith("# ")] == []
