"""The one Redis and the one Ray cluster of a test session."""

import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reliability import Row, keep
from tests.session import SESSION_FOLDER, SESSION_HOME

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints
    from libs.base.environment import Environment
    from tests.collector import Collector


_FIGURES = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in ("integration", "e2e"):
            if f"/tests/{marker}/" in item.path.as_posix():
                item.add_marker(marker)
    # It starts a cluster of its own, which beside the session's takes up to twice as long: so it goes first.
    items.sort(key=lambda item: item.path.name != "test_fit_quality.py")


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes what a test with a `row` mark has measured, before it is judged: `tests.reliability`."""
    figures: list[str] = []
    request.node.stash[_FIGURES] = figures
    return figures.append


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    mark = item.get_closest_marker("row")
    if mark is not None and call.when == "call":
        number, what, bar = mark.args
        figures: list[str] = item.stash[_FIGURES]
        row = Row(number, what, bar, item.nodeid, tuple(figures), None if report.skipped else report.passed)
        keep(row)
        report.user_properties.append(("row", str(row)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in [
        one for outcome in ("passed", "skipped", "failed") for one in terminalreporter.stats.get(outcome, [])
    ]:
        for name, value in report.user_properties:
            if name == "row":
                terminalreporter.write_line(str(value))


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
