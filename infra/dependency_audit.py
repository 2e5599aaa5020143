"""What is known to be wrong with the versions in the lock: `make audit`.

pip-audit asks for each pin. A finding fails the audit unless infra/dependency-waivers.yaml says why it may stand and
until when. Where nothing can be asked, as on a network with a mirror of packages alone, that is said and is no failure.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from libs.base.environment import REPOSITORY
from libs.base.errors import DataError
from libs.base.frozen import Frozen

LOCK = REPOSITORY / "requirements.txt"
WAIVERS = REPOSITORY / "infra" / "dependency-waivers.yaml"
_TIMEOUT_S = 10


class Waiver(Frozen):
    """A finding that may stand until a day: `id` is the advisory's, `reason` why it does no harm here."""

    id: str
    reason: str
    until: date


@dataclass(frozen=True)
class Finding:
    """What is known of one pin. `ids` are all names of one advisory, `fixed_in` the versions that do not have it."""

    pin: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        remedy = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.pin}: {self.ids[0]}, {remedy}"


@dataclass(frozen=True)
class Answer:
    """What was found, and of which packages nothing could be asked."""

    findings: tuple[Finding, ...]
    unanswered: tuple[str, ...]
    audited: int


def waivers(path: Path = WAIVERS) -> list[Waiver]:
    """Raises: DataError: the file is not a list of waivers."""
    try:
        return TypeAdapter(list[Waiver]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or [])
    except (yaml.YAMLError, ValidationError) as error:
        raise DataError(f"{path} is not a list of id, reason and until: {error}") from error


def ask(lock: Path) -> Answer | None:
    """What is known of the pins of a lock; None where nothing can be asked."""
    with tempfile.TemporaryDirectory() as folder:
        # One first: a network that has no answer for it has none for the others.
        some = Path(folder) / "requirements.txt"
        some.write_text(first_pin(lock), encoding="utf-8")
        first = _asked(some)
    return _asked(lock) if first is not None and first.audited else None


def first_pin(lock: Path) -> str:
    """The first pin of a lock, with its hashes."""
    return re.split(r"^(?=\w)", lock.read_text(encoding="utf-8"), maxsplit=2, flags=re.MULTILINE)[1]


def _asked(lock: Path) -> Answer | None:
    # Nothing is installed or resolved: the lock names everything, with hashes.
    command = [str(Path(sys.executable).parent / "pip-audit"), "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", str(_TIMEOUT_S)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return answer(done.stdout)
    except json.JSONDecodeError:
        return None


def answer(said: str) -> Answer:
    """What pip-audit said, in JSON. It takes a package that it knows nothing of for one that is well."""
    findings, unanswered, audited = list[Finding](), list[str](), 0
    for one in json.loads(said)["dependencies"]:
        if "skip_reason" in one:
            unanswered.append(one["name"])
            continue
        audited += 1
        pin = f"{one['name']}=={one['version']}"
        findings += [
            Finding(pin, (found["id"], *found["aliases"]), tuple(found["fix_versions"])) for found in one["vulns"]
        ]
    return Answer(tuple(findings), tuple(unanswered), audited)


def standing(findings: Sequence[Finding], allowed: Collection[Waiver], today: date) -> list[str]:
    """Why the audit fails: findings that nobody waives, or that somebody did until a day that is over."""
    told = []
    for finding in findings:
        waived = [one for one in allowed if one.id in finding.ids]
        if not waived:
            told.append(str(finding))
        elif all(one.until < today for one in waived):
            told.append(f"{finding}; waived until {max(one.until for one in waived)}, which is over")
    return told


def main() -> int:
    """Ask, and print what stands."""
    allowed, found = waivers(), ask(LOCK)
    if found is None:
        print("nothing was audited: the data of known vulnerabilities cannot be reached from here")
        return 0
    told = standing(found.findings, allowed, datetime.now(UTC).date())
    print("\n".join([*told, f"{found.audited} pins audited, {len(found.findings)} findings, {len(told)} not waived"]))
    if found.unanswered:
        print(f"of these nothing could be asked: {', '.join(found.unanswered)}")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
