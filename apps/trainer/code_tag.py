"""Tag the code repository with each model version, so that the code of any model is one `git checkout` away."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from libs.base.environment import Code
from libs.base.errors import DataError, TransientError

_TIMEOUT_S = 30.0
# The tagger is the platform, whoever's checkout it runs in; an annotated tag needs one, and a cluster's git has none.
_TAGGER = {"GIT_COMMITTER_NAME": "fitwave", "GIT_COMMITTER_EMAIL": "fitwave@localhost"}


@dataclass(frozen=True)
class Commit:
    """The code a model was made by; `dirty` when the working tree had changes that no commit holds."""

    sha: str
    dirty: bool


def current_commit(code: Code) -> Commit:
    """The commit that is checked out.

    Raises:
        DataError: the configured folder is no git repository, or has no commit.
    """
    try:
        sha = _git(code.repository, "rev-parse", "HEAD")
    except _GitError as error:
        raise DataError(
            f"{code.repository} is no git repository with a commit ({error}): models are tagged in one. "
            f"Set code.repository in environment.yaml."
        ) from error
    return Commit(sha, bool(_git(code.repository, "status", "--porcelain", "--untracked-files=no")))


def tag_name(environment: str, market: str, version: str) -> str:
    """`model/<environment>/<market>/v<version>`."""
    return f"model/{environment}/{market}/v{version}"


def tag_version(code: Code, name: str, commit: Commit, message: str) -> None:
    """Put an annotated tag on the commit, and push it when a remote is configured. Done before: done again.

    Raises:
        DataError: the tag is there on another commit.
        TransientError: the remote does not take it; the local tag stays, and a new run pushes it.
    """
    found = _find(code.repository, name)
    if found is None:
        _create(code.repository, name, commit, message)
    elif found != commit.sha:
        raise DataError(
            f"tag {name} is on commit {found}, not on {commit.sha}: another registry has used this version number. "
            f"Remove the tag with `git tag -d {name}` if that registry is gone."
        )
    if code.remote is not None:
        try:
            _git(code.repository, "push", code.remote, f"refs/tags/{name}")
        except _GitError as error:
            raise TransientError(f"tag {name} could not be pushed to {code.remote}: {error}") from error


def _create(repository: Path, name: str, commit: Commit, message: str) -> None:
    try:
        _git(repository, "tag", "--annotate", name, commit.sha, "--message", message)
    except _GitError as error:
        raise DataError(f"tag {name} could not be put on commit {commit.sha} in {repository}: {error}") from error


def _find(repository: Path, name: str) -> str | None:
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}")
    except _GitError:
        return None


class _GitError(Exception):
    """git exited with an error; the message is git's."""


def _git(repository: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments],
            env={**os.environ, **_TAGGER},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise _GitError(str(error)) from error
    if done.returncode:
        raise _GitError(done.stderr.strip() or f"git exited with {done.returncode}")
    return done.stdout.strip()
