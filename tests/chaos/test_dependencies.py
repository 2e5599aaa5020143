"""The lock against what is known of its versions, and the list of what is in it."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.dependency_audit import LOCK, ask, standing, waivers
from libs.base.environment import REPOSITORY


@pytest.mark.row("30", "dependencies: known vulnerabilities of the lock", "none that is not waived")
def test_nothing_is_known_to_be_wrong_that_is_not_waived(figure: Callable[[str], None]) -> None:
    found = ask(LOCK)
    if found is None:
        nobody = "the data of known vulnerabilities are not reachable here"
        figure(nobody)
        pytest.skip(nobody)
    told = standing(found.findings, waivers(), datetime.now(UTC).date())
    figure(f"{found.audited} pins audited, {len(found.unanswered)} not; {len(told)} findings that are not waived")
    assert told == []


@pytest.mark.row("30", "dependencies: the list of what is in the lock (SBOM)", "every pin; the same file twice")
def test_the_list_of_what_is_in_the_lock_is_whole_and_the_same_each_time(
    figure: Callable[[str], None],
) -> None:
    command = "requirements --output-reproducible --of JSON"
    assert command in (REPOSITORY / "Makefile").read_text(encoding="utf-8")

    def made() -> bytes:
        tool = Path(sys.executable).parent / "cyclonedx-py"
        return subprocess.run([tool, *command.split(), str(LOCK)], check=True, capture_output=True).stdout

    first = made()
    assert made() == first
    components = json.loads(first)["components"]
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line and line[0].isalnum()]
    figure(f"{len(components)} components of {len(pins)} pins, {len(first):,} bytes, the same twice")
    assert len(components) == len(pins)
