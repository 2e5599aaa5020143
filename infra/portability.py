"""Which Pythons and platforms the lock can be installed on, as a table: `make portability`.

uv is asked as an installer is, and installs nothing: every pin needs a wheel of that Python and platform, and whatever
it depends on there must be pinned, with hashes. Exit code 1 where that does not hold.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from libs.base.environment import REPOSITORY

PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
_CAUSE = re.compile(r"Because (.+?)(?: and you require|, we can conclude)", re.DOTALL)


def obstacle(lock: Path, python: str, platform: str) -> str | None:
    """Why the lock cannot be installed there; None when it can."""
    overrides = lock.parent / "requirements-overrides.in"
    with tempfile.TemporaryDirectory() as folder:
        asked = ["--python", sys.executable, "--python-version", python, "--python-platform", platform]
        exact = ["--require-hashes", "--only-binary", ":all:", "--override", str(overrides), "-r", str(lock)]
        command = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--dry-run", "--quiet"]
        command += [*asked, *exact, "--target", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split())
    cause = _CAUSE.search(said)
    return cause[1] if cause else said


def table(found: Iterable[tuple[str, str, str | None]]) -> str:
    """The findings (Python, platform, obstacle) in Markdown."""
    rows = [f"| {python} | `{platform}` | {f'no: {why}' if why else 'yes'} |" for python, platform, why in found]
    return "\n".join(["| Python | platform | the lock installs |", "| --- | --- | --- |", *rows])


def main(platforms: Sequence[str]) -> int:
    """Ask about each Python on these platforms, print the table."""
    lock = REPOSITORY / "requirements.txt"
    found = [(python, platform, obstacle(lock, python, platform)) for python, platform in product(PYTHONS, platforms)]
    print(table(found))
    return int(any(why is not None for *_, why in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or PLATFORMS))
