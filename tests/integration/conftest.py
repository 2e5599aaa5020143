"""One Redis and one Ray cluster for all integration and end-to-end tests of a session."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack.local import down, up
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from tests.conftest import SESSION_FOLDER
from tests.environments import SMALL_MARKET, environment_in

MARKETS = {
    "de": SMALL_MARKET,
    "us": SMALL_MARKET,
    # A market whose every line its rules drop, and one that nothing was delivered for.
    "nobody": SMALL_MARKET | {"rules": [{"name": "fax only", "keep": {"kind": "channel_in", "channels": ["fax"]}}]},
    "empty": SMALL_MARKET,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker("e2e" if "/e2e/" in str(item.path) else "integration")


@pytest.fixture(scope="session")
def code_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the tests' own: model tags are put here."""
    folder = tmp_path_factory.mktemp("code")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True)
    return folder


@pytest.fixture(scope="session")
def environment(code_repository: Path) -> Environment:
    settings = {"code": {"repository": str(code_repository)}}
    return environment_in(SESSION_FOLDER, "test", MARKETS, settings)


@pytest.fixture(scope="session")
def endpoints(environment: Environment) -> Iterator[Endpoints]:
    try:
        yield up(environment)
    finally:
        down(environment)
