"""What BUILD files say for Pants holds where Pants is not: who may import whom, and what can be deployed by itself."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.cli import MOUNTED
from libs.base.environment import REPOSITORY


@dataclass
class BuildFile:
    """One folder's: what its code may import beside itself, if that is said, and its deployables' first files."""

    folder: Path
    may_import: tuple[str, ...] | None = None
    deployables: dict[str, list[Path]] = field(default_factory=dict)

    def rule(self, *allowed: str) -> None:
        self.may_import = allowed

    def deployable(self, name: str, *entry_points: str) -> None:
        self.deployables[name] = [
            REPOSITORY / point.removeprefix("//") if point.startswith("//") else self.folder / point
            for point in entry_points
        ]

    def allows(self, imported: Path) -> bool:
        folders = (REPOSITORY / pattern.removeprefix("//").removesuffix("/**") for pattern in self.may_import or ())
        return any(map(imported.is_relative_to, (self.folder, *folders)))


class Symbols(dict[str, Callable[..., object]]):
    """The names of a BUILD file; the ones that are not given do nothing."""

    def __missing__(self, name: str) -> Callable[..., object]:
        return lambda *_, **__: None


def read(path: Path) -> BuildFile:
    found = BuildFile(path.parent)
    symbols = Symbols(may_import=found.rule, deployable=found.deployable)
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), symbols)
    return found


@pytest.fixture(scope="module")
def build_files() -> dict[Path, BuildFile]:
    paths = (path for top in ("libs", "apps", "infra") for path in (REPOSITORY / top).rglob("BUILD"))
    return {path.parent: read(path) for path in paths}


@pytest.fixture(scope="module")
def deployables(build_files: dict[Path, BuildFile]) -> dict[str, list[Path]]:
    return {name: paths for one in build_files.values() for name, paths in one.deployables.items()}


def imports(source: Path) -> Iterator[Path]:
    """The files of the repository that a file imports."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module)):
                names = [module, *(f"{module}.{name.name}" for name in node.names)]
            case ast.Import():
                names = [name.name for name in node.names]
            case _:
                continue
        paths = (REPOSITORY / f"{name.replace('.', '/')}.py" for name in names)
        yield from (path for path in paths if path.exists())


def test_every_import_is_one_that_the_folder_may_have(build_files: dict[Path, BuildFile]) -> None:
    ruled = {folder: one for folder, one in build_files.items() if one.may_import is not None}
    assert REPOSITORY / "libs" / "base" in ruled
    denied = [
        f"{source.relative_to(REPOSITORY)} -> {imported.relative_to(REPOSITORY)}"
        for top in ("libs", "apps")
        for source in (REPOSITORY / top).rglob("*.py")
        for imported in imports(source)
        if not next(ruled[folder] for folder in source.parents if folder in ruled).allows(imported)
    ]
    assert denied == []


def test_every_entry_point_is_a_file(deployables: dict[str, list[Path]]) -> None:
    assert len(deployables) >= 8
    assert [path for paths in deployables.values() for path in paths if not path.is_file()] == []


def test_the_command_has_all_that_is_mounted_by_name(deployables: dict[str, list[Path]]) -> None:
    mounted = {REPOSITORY / f"{module.partition(':')[0].replace('.', '/')}.py" for module in MOUNTED.values()}
    assert mounted <= set(deployables["fitwave-command"])


def test_every_application_that_serve_is_given_has_a_deployable(deployables: dict[str, list[Path]]) -> None:
    plan = (REPOSITORY / "libs" / "models" / "serving_plan.py").read_text(encoding="utf-8")
    folders = {path.parent for paths in deployables.values() for path in paths}
    applications = re.findall(r'"import_path": "([\w.]+):build"', plan)
    assert len(applications) == 3
    assert {(REPOSITORY / name.replace(".", "/")).parent for name in applications} <= folders
