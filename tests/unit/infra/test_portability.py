"""A lock is told to be installable where each of its pins has a wheel, and else which pin has none."""

import hashlib
import tomllib
import zipfile
from pathlib import Path

import pytest

from infra.portability import PYTHONS, obstacle, table
from libs.base.environment import REPOSITORY

LINUX, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
METADATA = "Metadata-Version: 2.1\nName: sizes\nVersion: 1.0\n"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of one package, which has a wheel for Python 3.12 on x86-64 alone; no index is asked."""
    wheel = tmp_path / "sizes-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("sizes-1.0.dist-info/METADATA", METADATA)
        file.writestr("sizes-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp312-cp312-manylinux_2_17_x86_64\n")
        file.writestr("sizes-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "requirements-overrides.in").touch()
    (tmp_path / "requirements.txt").write_text(f"sizes==1.0 --hash=sha256:{digest}\n")
    for name, value in {"UV_FIND_LINKS": str(tmp_path), "UV_OFFLINE": "1", "UV_NO_CACHE": "1"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "requirements.txt"


def test_a_lock_installs_where_every_pin_has_a_wheel(lock: Path) -> None:
    assert obstacle(lock, "3.12", LINUX) is None


def test_a_pin_without_a_wheel_for_the_platform_is_named(lock: Path) -> None:
    assert "sizes==1.0 has no wheels with a matching platform tag" in str(obstacle(lock, "3.12", ARM))


def test_a_pin_without_a_wheel_for_the_python_is_named(lock: Path) -> None:
    assert "sizes==1.0 has no wheels with a matching Python" in str(obstacle(lock, "3.13", LINUX))


def test_the_table_says_yes_or_why_not() -> None:
    rows = table([("3.12", LINUX, None), ("3.12", ARM, "sizes has no wheels")]).splitlines()[2:]
    assert rows == [f"| 3.12 | `{LINUX}` | yes |", f"| 3.12 | `{ARM}` | no: sizes has no wheels |"]


def test_what_is_asked_about_is_what_the_project_says_it_runs_on() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    first, last = (tuple(map(int, version.split("."))) for version in (PYTHONS[0], PYTHONS[-1]))
    assert project["requires-python"] == f">={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"
