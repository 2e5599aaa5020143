"""A whole installation for the length of a benchmark: started in a temporary folder, stopped and removed after it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from infra.stack.local import down, up
from libs.base.environment import Environment, load_environment

if TYPE_CHECKING:
    from libs.base.endpoints import Endpoints


@contextmanager
def installed(name: str) -> "Iterator[tuple[Environment, Endpoints]]":
    """The environment of this name, with stores and a cluster of its own; whatever happens, nothing stays behind."""
    with tempfile.TemporaryDirectory(prefix=f"fitwave-{name}-") as folder:
        environment = load_environment(name).model_copy(update={"state_dir": Path(folder)})
        try:
            yield environment, up(environment)
        finally:
            down(environment)
