"""What git says of branches."""

import subprocess
from pathlib import Path

from libs.base.errors import DataError

_TIMEOUT_S = 30.0


def current_branch(repository: Path) -> str:
    """The branch that is checked out.

    Raises:
        DataError: none is, or the folder is no git repository.
    """
    done = _git(repository, "symbolic-ref", "--quiet", "--short", "HEAD")
    if done.returncode:
        why = done.stderr.strip() or "a commit is checked out, and no branch"
        raise DataError(f"no branch in {repository}: {why}. Say which with --branch NAME.")
    return done.stdout.removesuffix("\n")


def has_branch(repository: Path, name: str) -> bool:
    """Whether there is such a branch, here or as any remote was last seen."""
    patterns = (f"refs/heads/{name}", f"refs/remotes/*/{name}")
    # A pattern that is a name also matches what is under it, as if it were a folder.
    found = _git(repository, "for-each-ref", "--format=%(refname)", *patterns).stdout.splitlines()
    return any(
        ref == f"refs/heads/{name}" or (ref.startswith("refs/remotes/") and _remotes(ref) == name) for ref in found
    )


def _remotes(ref: str) -> str:
    return ref.removeprefix("refs/remotes/").partition("/")[2]


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(repository), *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise DataError(f"git could not be asked: {error}. Say which branch with --branch NAME.") from error
