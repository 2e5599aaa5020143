"""Tag the code repository with each model version, so that the code of any model is one `git checkout` away."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.base.environment import Code
from libs.base.errors import DataError, TransientError

# The commit of the code that a job was sent, for where there is no checkout to ask.
TRAVELLED = "FITWAVE_CODE_COMMIT"

_TIMEOUT_S = 30.0
_BATCH = 500
# The tagger is the platform, whoever's checkout it runs in; an annotated tag needs one, and a cluster's git has none.
_TAGGER = {"GIT_COMMITTER_NAME": "fitwave", "GIT_COMMITTER_EMAIL": "fitwave@localhost"}


@dataclass(frozen=True)
class Commit:
    """The code a model was made by. `changes` is a digest of what the working tree had that no commit holds; empty if
    there was nothing.
    """

    sha: str
    changes: str = ""

    @property
    def dirty(self) -> bool:
        """Whether the code is more than its commit."""
        return bool(self.changes)

    def __str__(self) -> str:
        return f"{self.sha}+{self.changes}" if self.changes else self.sha


def current_commit(code: Code) -> Commit:
    """The commit of this code: what travelled here with a submitted job, or else what is checked out.

    Raises:
        DataError: the configured folder is no git repository, or has no commit.
    """
    if travelled := os.environ.get(TRAVELLED):
        sha, _, changes = travelled.partition("+")
        return Commit(sha, changes)
    try:
        sha = _git(code.repository, "rev-parse", "HEAD")
    except _GitError as error:
        raise DataError(
            f"{code.repository} is no git repository with a commit ({error}): models are tagged in one. "
            f"Set code.repository in environment.yaml."
        ) from error
    changed = _git(code.repository, "diff", "HEAD")
    return Commit(sha, hashlib.sha256(changed.encode()).hexdigest()[:12] if changed else "")


def tag_name(environment: str, market: str, version: str) -> str:
    """`model/<environment>/<market>/v<version>`."""
    return f"model/{environment}/{market}/v{version}"


def tag_version(code: Code, name: str, commit: Commit, message: str) -> None:
    """Put an annotated tag on the commit, and push it when a remote is configured. Done before: done again.

    Raises:
        DataError: the tag is there on another commit.
        TransientError: the remote does not take it; the local tag stays, and a new run pushes it.
    """
    with _repository(code, name, commit) as repository:
        found = _find(repository, name)
        if found is None:
            _create(repository, name, commit, message)
        elif found != commit.sha:
            raise DataError(
                f"tag {name} is on commit {found}, not on {commit.sha}: another registry has used this version number. "
                f"Remove the tag with `git tag -d {name}` if that registry is gone."
            )
        if code.remote is not None:
            try:
                _git(repository, "push", code.remote, f"refs/tags/{name}")
            except _GitError as error:
                raise TransientError(f"tag {name} could not be pushed to {code.remote}: {error}") from error


def tags_of(code: Code, environment: str) -> list[str]:
    """The names of all tags of an environment's versions in the checkout; none where it is no repository."""
    if not _is_repository(code.repository):
        return []
    return _git(code.repository, "tag", "--list", tag_name(environment, "*", "*")).split()


def remove_tags(code: Code, names: list[str]) -> None:
    """Remove tags from the checkout; what a remote has of them stays there.

    Raises:
        TransientError: git does not take it, as when somebody else removes them at the same time.
    """
    for start in range(0, len(names), _BATCH):
        try:
            _git(code.repository, "tag", "--delete", *names[start : start + _BATCH])
        except _GitError as error:
            raise TransientError(f"tags could not be removed from {code.repository}: {error}") from error


@contextmanager
def _repository(code: Code, name: str, commit: Commit) -> Iterator[Path]:
    """Where to tag: the checkout, or, on a cluster that was only sent the code, a repository for as long as it takes,
    with this one commit of the remote's, and its tag if it has it.
    """
    if _is_repository(code.repository):
        yield code.repository
        return
    if code.remote is None:
        raise DataError(
            f"{code.repository} is no git repository, and there is none to push to: set code.remote in "
            f"environment.yaml, so that versions can be tagged from here."
        )
    with tempfile.TemporaryDirectory(prefix="fitwave-tag-") as temporary:
        folder = Path(temporary)
        try:
            _git(folder, "init", "--quiet", "--bare")
            _git(folder, "fetch", "--quiet", "--depth=1", "--no-tags", code.remote, commit.sha)
            if _git(folder, "ls-remote", code.remote, f"refs/tags/{name}"):
                _git(folder, "fetch", "--quiet", "--depth=1", code.remote, f"refs/tags/{name}:refs/tags/{name}")
        except _GitError as error:
            raise TransientError(
                f"commit {commit.sha} could not be had from {code.remote}: {error}. Has it been pushed?"
            ) from error
        yield folder


def _is_repository(folder: Path) -> bool:
    try:
        # A folder inside some other checkout is not the code's own.
        return Path(_git(folder, "rev-parse", "--show-toplevel")).samefile(folder)
    except (_GitError, FileNotFoundError):
        return False


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
