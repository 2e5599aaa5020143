"""The lock is hashed and names no host, and a finding of the audit fails it unless it is waived for now."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from infra.dependency_audit import LOCK, Finding, Waiver, answer, first_pin, main, standing, waivers
from libs.base.errors import DataError

FINDING = Finding("sizes==1.0", ("PYSEC-1", "CVE-1"), ("1.1",))
TODAY = date(2026, 7, 6)


@pytest.mark.row("30", "dependencies: every pin of the lock", "hashed, exact, from no host that is named")
def test_every_pin_of_the_lock_is_exact_and_hashed_and_names_no_host(figure: Callable[[str], None]) -> None:
    text = LOCK.read_text(encoding="utf-8")
    logical = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line and not line.lstrip().startswith("#")]
    hashed = [line for line in logical if re.match(r"[\w.-]+(\[[\w,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)]
    figure(f"{len(hashed)} of {len(logical)} pins exact and hashed; {text.count('://')} hosts named")
    assert hashed == logical
    assert len(logical) > 100
    assert "://" not in text and "index-url" not in text


def test_a_finding_fails_the_audit_and_says_what_mends_it() -> None:
    assert standing([FINDING], [], TODAY) == ["sizes==1.0: PYSEC-1, fixed in 1.1"]


def test_a_waiver_by_any_of_its_names_lets_a_finding_stand_until_its_day() -> None:
    waiver = Waiver(id="CVE-1", reason="not called", until=TODAY)
    assert standing([FINDING], [waiver], TODAY) == []
    [told] = standing([FINDING], [waiver], date(2026, 7, 7))
    assert told == "sizes==1.0: PYSEC-1, fixed in 1.1; waived until 2026-07-06, which is over"


def test_a_package_that_nothing_is_known_of_is_not_taken_for_one_that_is_well() -> None:
    known = {
        "name": "sizes",
        "version": "1.0",
        "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"]}],
    }
    said = json.dumps({"dependencies": [known, {"name": "fit", "skip_reason": "Dependency not found on PyPI"}]})
    found = answer(said)
    assert (found.findings, found.unanswered, found.audited) == ((FINDING,), ("fit",), 1)


def test_where_nothing_can_be_asked_that_is_said_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.dependency_audit.ask", lambda _: None)
    assert main() == 0
    assert "nothing was audited" in capsys.readouterr().out


def test_one_pin_is_asked_about_first(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("# made\na==1 \\\n    --hash=sha256:0\n    # via b\nb==2 \\\n    --hash=sha256:1\n")
    assert first_pin(lock) == "a==1 \\\n    --hash=sha256:0\n    # via b\n"


def test_every_waiver_has_a_reason_and_a_day(tmp_path: Path) -> None:
    assert all(one.reason for one in waivers())
    path = tmp_path / "waivers.yaml"
    path.write_text("- {id: CVE-1, until: 2026-07-06}\n")
    with pytest.raises(DataError, match="reason"):
        waivers(path)
