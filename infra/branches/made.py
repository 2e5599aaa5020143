"""Environments of branches: made, found and listed. Until `up` one is nothing but files under the state folder."""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from pydantic import ValidationError

from infra.branches.git import has_branch
from infra.stack.processes import Record
from libs.base.branch_names import environment_of
from libs.base.checked_yaml import read_file
from libs.base.config_files import (
    DESTROYING,
    SETTINGS_FILE,
    branch_folder,
    committed,
    layers,
    state_root,
)
from libs.base.environment import Branch, Environment, load_environment, load_from
from libs.base.errors import DataError

_DRAFT = "config.draft"
_HEAD = """\
# Made by `fitwave env create`. What is not said here is as in environment {base}, but for what a branch always has for
# itself: lake, cluster, ports, and tags that stay in this repository. A file markets/<market>.yaml beside this one
# likewise says what differs of a market.
"""
_SCHEDULE = """\
# Weeks are run when somebody asks for them; true: when they are due, too.
scheduled: false
"""


@dataclass(frozen=True)
class Listed:
    """One branch's environment as it is found. `state`: running, stopped, being destroyed, or what is wrong with it.
    `is_gone`: the branch is, of which nothing is known where the config cannot be read.
    """

    name: str
    branch: Branch | None
    is_gone: bool
    state: str
    size: int


def create(branch: str, base: str) -> tuple[Environment, bool]:
    """Make a branch's environment, or find the one that there is; whether it is new.

    Raises:
        DataError: it is there on another base, its name is another branch's, or its place is taken.
    """
    if not branch or not branch.isprintable():
        raise DataError(f"--branch {branch!r} is no branch's name")
    if base not in committed():
        raise DataError(f"--from {base!r} is no committed environment: there is {', '.join(committed()) or 'none'}")
    name = name_of(branch)
    folder = branch_folder(name)
    if not (folder / SETTINGS_FILE).exists():
        _write(branch, base, folder)
        return load_environment(name), True
    found = load_environment(name)
    assert found.branch is not None, "what is in a branch's place has one"
    if found.branch.name != branch:
        raise DataError(f"environment {name!r} is of branch {found.branch.name!r} already, and not of {branch!r}")
    if found.branch.base != base:
        raise DataError(
            f"environment {name!r} is based on {found.branch.base!r}, not on {base!r}: destroy it first, or say --from "
            f"{found.branch.base}"
        )
    return found, False


def name_of(branch: str) -> str:
    """What the environment of a branch is called, or would be."""
    for home in _homes():
        found = _branch(home)
        if found is not None and found.name == branch:
            return home.name
    return environment_of(branch, committed())


def _write(branch: str, base: str, folder: Path) -> None:
    home = folder.parent
    lake = _lake_like(load_environment(base), home / "lake")
    if home.exists() and any(path.name != _DRAFT for path in home.iterdir()):
        raise DataError(f"{home} holds something already, which is no branch's environment: move it away")
    draft = home / _DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "markets").mkdir(parents=True)
    about = Branch(name=branch, base=base, created_at=datetime.now(UTC).replace(microsecond=0), id=secrets.token_hex(8))
    values = {"branch": about.model_dump(mode="json"), **({"lake_uri": lake} if lake else {})}
    text = _HEAD.format(base=base) + yaml.safe_dump(values, sort_keys=False, allow_unicode=True) + _SCHEDULE
    (draft / SETTINGS_FILE).write_text(text, encoding="utf-8")
    draft.rename(folder)


def _lake_like(base: Environment, path: Path) -> str | None:
    """A lake at this path in the table format of the base's; None where that is what it is without saying."""
    kind, plus, _ = (base.lake_uri or "").partition("+")
    return f"{kind}+{path}" if plus and kind in ("delta", "iceberg") else None


def named(name: str) -> Environment:
    """The branch's environment of this name, also one that is being destroyed.

    Raises:
        DataError: there is none, or it is one of the repository's.
    """
    if not (branch_folder(name) / SETTINGS_FILE).exists():
        if name in committed():
            raise DataError(
                f"environment {name!r} is committed, and no branch's: only what `fitwave env create` has made is "
                f"destroyed"
            )
        raise DataError(f"there is no branch's environment {name!r}: `fitwave env list` shows those there are")
    return load_from(name, layers(name, even_destroying=True))


def listed() -> list[Listed]:
    """All that there are, by name."""
    return [_listed(home) for home in _homes()]


def _homes() -> list[Path]:
    found = (path.parent.parent for path in state_root().glob(f"*/config/{SETTINGS_FILE}"))
    return sorted(home for home in found if not home.name.startswith("."))


def _listed(home: Path) -> Listed:
    branch = _branch(home)
    try:
        environment = named(home.name)
    except DataError as error:
        return Listed(home.name, branch, False, f"cannot be read: {error}", _size(home))
    is_gone = branch is not None and not has_branch(environment.code.repository, branch.name)
    return Listed(home.name, branch, is_gone, _state(home), _size(home))


def _branch(home: Path) -> Branch | None:
    """Whose it is, as far as that can be read."""
    try:
        return Branch.model_validate(read_file(home / "config" / SETTINGS_FILE).values.get("branch"))
    except (DataError, ValidationError):
        return None


def _state(home: Path) -> str:
    if (home / "config" / DESTROYING).exists():
        return "being destroyed"
    if not (home / "endpoints.json").exists():
        return "stopped"
    dead = [one.component for one in Record(home / "stack.json").read() if one.process() is None]
    return f"{', '.join(dead)} died" if dead else "running"


def _size(home: Path) -> int:
    """Bytes of all files under a folder; one that is gone meanwhile has none."""
    return sum(_bytes_of(path) for path in _files(home))


def _files(home: Path) -> Iterator[str]:
    for folder, _, names in os.walk(home):
        yield from (os.path.join(folder, name) for name in names)


def _bytes_of(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0
