"""The demo's stage: an environment of its own, cleared before and stopped after."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from infra.stack.local import down, up
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment


@contextmanager
def staged(environment: Environment) -> Iterator[Endpoints]:
    """Run with fresh stores; whatever happens, what was started is stopped. The state stays to be looked at."""
    down(environment)
    shutil.rmtree(environment.home, ignore_errors=True)
    _forget_tags(environment)
    try:
        yield up(environment)
    finally:
        down(environment)


def _forget_tags(environment: Environment) -> None:
    """Remove the tags of an earlier demo: its registry is gone, and version numbers begin again."""
    git = ["git", "-C", str(environment.code.repository), "tag"]
    listed = subprocess.run(
        [*git, "--list", f"model/{environment.name}/*"], capture_output=True, text=True, check=False
    )
    if tags := listed.stdout.split():
        subprocess.run([*git, "--delete", *tags], capture_output=True, check=True)
