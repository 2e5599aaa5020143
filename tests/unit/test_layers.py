"""Who may import whom: holds on the tree, and fails by name on a tree where it does not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from libs.base.environment import REPOSITORY


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.prefix) / "bin" / "lint-imports"), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("libs", "apps", "infra", "benchmarks"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "imported"),
    [
        ("libs/base/planted.py", "apps.serve.cli"),
        ("libs/planted.py", "apps.serve.cli"),
        ("libs/features/planted.py", "libs.models.contract"),
        ("apps/shadow/planted.py", "apps.serve.cli"),
        ("apps/trainer/planted.py", "infra.lake_cli"),
    ],
)
def test_a_forbidden_import_is_named(copy: Path, place: str, imported: str) -> None:
    (copy / place).write_text(f"import {imported}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert f"{place.removesuffix('.py').replace('/', '.')} -> {imported}" in done.stdout


@pytest.mark.parametrize("place", ["apps/trainer/weekly.py", "libs/models/training.py"])
def test_the_weekly_job_may_not_search_hyper_parameters(copy: Path, place: str) -> None:
    """Neither by itself nor through what it uses."""
    with (copy / place).open("a") as file:
        file.write("import libs.models.tuning\n")
    done = lint(copy)
    assert done.returncode == 1
    assert "libs.models.tuning" in done.stdout
    assert "The weekly job never searches hyper-parameters BROKEN" in done.stdout


def test_every_init_file_is_empty() -> None:
    found = [path for name in ("libs", "apps", "infra", "tests") for path in (REPOSITORY / name).rglob("__init__.py")]
    assert found
    assert [path for path in found if path.read_bytes()] == []


def test_no_requirements_file_names_a_host() -> None:
    files = [*REPOSITORY.glob("requirements*"), REPOSITORY / "infra" / "pants" / "pants-lock.txt"]
    assert len(files) == 4
    for path in files:
        assert "://" not in path.read_text(), path


def test_no_tracked_file_names_a_package_index() -> None:
    command = ["git", "ls-files", "-z"]
    names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    paths = [REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()]
    assert paths
    assert [path for path in paths if re.search(rb"https?://\S+/simple\b", path.read_bytes())] == []
