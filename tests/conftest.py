"""The one Redis and the one Ray cluster of a test session."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.session import SESSION_FOLDER, SESSION_HOME

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints
    from libs.base.environment import Environment
    from tests.collector import Collector


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in ("integration", "e2e"):
            if f"/tests/{marker}/" in item.path.as_posix():
                item.add_marker(marker)


@pytest.fixture(scope="session")
def code_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the tests' own: model tags are put here."""
    folder = tmp_path_factory.mktemp("code")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], check=True)
    return folder


@pytest.fixture(scope="session")
def collector() -> Iterator["Collector"]:
    """What takes the session's traces."""
    from tests.collector import collecting

    with collecting() as found:
        yield found


@pytest.fixture(scope="session")
def environment(code_repository: Path, collector: "Collector") -> "Environment":
    """The session's environment; see `tests.environments.MARKETS`."""
    from tests.environments import MARKETS, environment_in

    settings = {
        "code": {"repository": str(code_repository)},
        "lake_uri": f"delta+{SESSION_HOME / 'lake'}",
        "otlp_endpoint": collector.url,
    }
    return environment_in(SESSION_FOLDER, "test", MARKETS, settings)


@pytest.fixture(scope="session")
def endpoints(environment: "Environment") -> Iterator["Endpoints"]:
    """Its running stores and cluster, and this process one driver of it: Ray starts workers anew for each."""
    from infra.stack.local import down, up

    try:
        found = up(environment)
        from libs.base.cluster import connected

        with connected(found):
            yield found
    finally:
        down(environment)
