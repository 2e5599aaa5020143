"""The part of the lock that runs in a cluster: what the reasons in `requirements.in` before its tests need.

`python runtime_requirements.py requirements.in requirements.txt` prints it. Only the standard library, since it runs
before anything is installed.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# From this comment on, `requirements.in` names what tests, checks and builds need.
_TESTS = "# Tests."
_PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", re.MULTILINE)
_NAMED = re.compile(r"^([A-Za-z0-9._-]+)", re.MULTILINE)
_VIA = re.compile(r"^ +#(?: via)? +([A-Za-z0-9._-]+)(?:\[[^]]*\])?$", re.MULTILINE)


def runtime(requirements: str, lock: str) -> str:
    """The entries of the lock that a runtime requirement needs, itself or by way of others, with all their hashes.

    Raises:
        ValueError: the requirements have no part for tests, or name what the lock does not have.
    """
    before, found, _ = requirements.partition(_TESTS)
    if not found:
        raise ValueError(f"no line {_TESTS!r} tells where the tests' requirements begin")
    entries = dict(_entries(lock))
    needed = {_plain(name) for name in _NAMED.findall(before)}
    if absent := sorted(needed - set(entries)):
        raise ValueError(f"the lock has no {', '.join(absent)}: run `make lock`")
    needs = {name: {_plain(parent) for parent in _VIA.findall(text)} for name, text in entries.items()}
    while more := {name for name, parents in needs.items() if name not in needed and parents & needed}:
        needed |= more
    return "".join(entries[name] for name in entries if name in needed)


def _entries(lock: str) -> Iterator[tuple[str, str]]:
    starts = [match.start() for match in _PACKAGE.finditer(lock)]
    for start, end in zip(starts, [*starts[1:], len(lock)], strict=True):
        text = lock[start:end]
        match = _PACKAGE.match(text)
        assert match is not None
        yield _plain(match[1]), text


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    print(runtime(*(Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])), end="")
