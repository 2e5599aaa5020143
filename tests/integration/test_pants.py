"""Pants names a forbidden import, and what must be deployed again.

It needs Python 3.9, which a fresh machine may not have: `make pants`.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from libs.base.environment import REPOSITORY

PANTS = REPOSITORY / ".pants-venv" / "bin" / "pants"

pytestmark = pytest.mark.skipif(not PANTS.exists(), reason="Pants is not set up: run `make pants` with a Python 3.9")


@pytest.mark.parametrize(
    ("place", "imported"),
    [("libs/base/planted.py", "apps.serve.cli"), ("apps/shadow/planted.py", "apps.serve.cli")],
)
def test_a_forbidden_import_is_named(tmp_path: Path, place: str, imported: str) -> None:
    for name in ("libs", "apps", "infra", "benchmarks", "tests"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("BUILD", "pants.toml", "requirements.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / place).write_text(f"import {imported}\n")
    done = subprocess.run([str(PANTS), "dependencies", "::"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DependencyRuleActionDeniedError" in done.stderr
    assert f"{place} -> python_sources {imported.replace('.', '/')}.py" in done.stderr


def redeploy(changed: str) -> set[str]:
    command = ["make", "redeploy", f"CHANGED={changed}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def test_what_only_trains_takes_no_serving_with_it() -> None:
    told = redeploy("libs/models/fleet.py")
    assert "apps/trainer:weekly-job" in told
    assert not any(target.startswith("apps/serve:") for target in told)


def test_what_all_models_share_takes_everything_that_serves_or_trains_with_it() -> None:
    assert redeploy("libs/models") >= {
        "apps/serve:gateway",
        "apps/serve:shadow-router",
        "apps/serve:size-model",
        "apps/shadow:challenger",
        "apps/shadow/console:operators-console",
        "apps/trainer:weekly-job",
        "infra:fitwave-command",
    }
