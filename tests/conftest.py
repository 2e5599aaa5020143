"""What holds for every test, and the one Redis and the one Ray cluster of a session.

Nothing of the caller's own environment reaches a test. Ray reads how to reach a cluster when it is imported, which
test modules do before any fixture runs; so the folder of the session's environment, and the token that its cluster
will ask for, are settled here at once.
"""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints
    from libs.base.environment import Environment

for name in [name for name in os.environ if name.startswith(("FITWAVE_", "RAY_"))]:
    del os.environ[name]

SESSION_FOLDER = Path(tempfile.mkdtemp(prefix="fitwave-test-"))
SESSION_HOME = SESSION_FOLDER / "var" / "test"
SESSION_HOME.mkdir(parents=True)
(SESSION_HOME / "ray-token").write_text(secrets.token_hex(32), encoding="utf-8")
atexit.register(shutil.rmtree, SESSION_FOLDER, ignore_errors=True)

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN_PATH"] = str(SESSION_HOME / "ray-token")


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
def environment(code_repository: Path) -> "Environment":
    """The session's environment; see `tests.environments.MARKETS`."""
    from tests.environments import MARKETS, environment_in

    return environment_in(SESSION_FOLDER, "test", MARKETS, {"code": {"repository": str(code_repository)}})


@pytest.fixture(scope="session")
def endpoints(environment: "Environment") -> Iterator["Endpoints"]:
    """Its running stores and cluster."""
    from infra.stack.local import down, up

    try:
        yield up(environment)
    finally:
        down(environment)
