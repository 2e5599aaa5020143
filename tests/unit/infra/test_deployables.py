"""What can be deployed is declared for Pants whole: `make redeploy` answers from it, and no import tells of it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.cli import MOUNTED
from libs.base.environment import REPOSITORY

# By name, the files that a deployable starts with.
Deployables = dict[str, list[Path]]


class Symbols(dict[str, Callable[..., object]]):
    """The names of a BUILD file: `deployable` is kept, the others do nothing."""

    def __missing__(self, name: str) -> Callable[..., object]:
        return lambda *_, **__: None


@pytest.fixture
def deployables() -> Deployables:
    found: Deployables = {}
    for path in (*REPOSITORY.glob("apps/**/BUILD"), *REPOSITORY.glob("infra/**/BUILD")):

        def declared(name: str, *entry_points: str, folder: Path = path.parent) -> None:
            found[name] = [
                REPOSITORY / point.removeprefix("//") if point.startswith("//") else folder / point
                for point in entry_points
            ]

        exec(compile(path.read_text(encoding="utf-8"), path, "exec"), Symbols(deployable=declared))
    return found


def test_every_entry_point_is_a_file(deployables: Deployables) -> None:
    assert len(deployables) >= 8
    assert [path for paths in deployables.values() for path in paths if not path.is_file()] == []


def test_the_command_has_all_that_is_mounted_by_name(deployables: Deployables) -> None:
    mounted = {REPOSITORY / f"{module.partition(':')[0].replace('.', '/')}.py" for module in MOUNTED.values()}
    assert mounted <= set(deployables["fitwave-command"])


def test_every_application_that_serve_is_given_has_a_deployable(deployables: Deployables) -> None:
    plan = (REPOSITORY / "libs" / "models" / "serving_plan.py").read_text(encoding="utf-8")
    folders = {path.parent for paths in deployables.values() for path in paths}
    applications = re.findall(r'"import_path": "([\w.]+):build"', plan)
    assert len(applications) == 3
    assert {(REPOSITORY / name.replace(".", "/")).parent for name in applications} <= folders
