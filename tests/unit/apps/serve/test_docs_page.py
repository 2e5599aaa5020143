"""The documentation page works with no other host."""

import re

import pytest

from apps.serve.docs_page import DocsPage
from apps.serve.problems import Kind, Problem

DOCS = DocsPage()
PAGE = bytes(DOCS.page().body).decode()


def test_every_file_that_the_page_names_is_there() -> None:
    names = re.findall(r'(?:src|href)="docs/([^"]+)"', PAGE)
    assert len(names) == len(re.findall(r"(?:src|href)=", PAGE)) == 4
    assert all(DOCS.asset(name).body for name in names)


def test_neither_page_nor_initializer_names_another_host() -> None:
    initializer = bytes(DOCS.asset("initializer.js").body).decode()
    assert "//" not in PAGE + initializer
    assert "validatorUrl: null" in initializer


def test_the_browser_is_told_to_ask_no_other_host() -> None:
    assert DOCS.page().headers["content-security-policy"].startswith("default-src 'self';")


@pytest.mark.parametrize("name", ["", "..", "index.html", "../__init__.py", "swagger-ui.css.map", "/etc/passwd"])
def test_other_names_are_not_files(name: str) -> None:
    with pytest.raises(Problem) as found:
        DOCS.asset(name)
    assert found.value.kind == Kind.UNKNOWN_PATH
