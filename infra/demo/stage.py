"""The demo's stage: an environment of its own, cleared before and stopped after."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from apps.trainer.code_tag import remove_tags, tags_of
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
    remove_tags(environment.code, tags_of(environment.code, environment.name))
