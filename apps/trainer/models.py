"""Model versions as people read them: in a row, one by one, and two beside each other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.base.errors import DataError
from libs.models.assignment import RESULT_FILE
from libs.models.fingerprint import CARD_FILE
from libs.models.production import BRANCH_TAG, DIRTY_TAG, ENVIRONMENT_TAG
from libs.models.registry import Registry, Version


@dataclass(frozen=True)
class Described:
    """A version with what its package says of it."""

    version: Version
    role: str
    metrics: Mapping[str, float | None]
    config: Mapping[str, Any]
    windows: Mapping[str, Any]

    @property
    def status(self) -> str:
        """Its role, or else what became of it."""
        return self.role or self.version.tags.get("fitwave.status", "unknown")

    def facts(self) -> dict[str, str]:
        """What it was made from and what was decided, by name; the data first."""
        tags = self.version.tags
        lake = json.loads(tags.get("fitwave.lake", "{}"))
        libraries = json.loads(tags.get("fitwave.libraries", "{}"))
        return {
            "status": self.status,
            "reason": tags.get("fitwave.reason", ""),
            "as of": tags.get("as_of", ""),
            **{f"{name} window": _span(window) for name, window in self.windows.items()},
            **{f"lake: {name}": f"{lake['format']} {at}" for name, at in lake.get("tables", {}).items()},
            "validation": tags.get("fitwave.validation", ""),
            "compared with": f"v{tags['fitwave.compared_with']}" if tags.get("fitwave.compared_with") else "",
            "commit": tags.get("fitwave.git_commit", "")
            + (" and changes that no commit holds" if tags.get(DIRTY_TAG) == "true" else ""),
            "environment": tags.get(ENVIRONMENT_TAG, ""),
            "branch": tags.get(BRANCH_TAG, ""),
            "code tag": tags.get("fitwave.git_tag", ""),
            "config": tags.get("fitwave.config_sha256", ""),
            **{f"library: {name}": found for name, found in libraries.items()},
            "package": self.version.ref.path,
            "report": str(self.version.report or tags.get("fitwave.report_fault", "")),
        }

    def measures(self) -> dict[str, str]:
        """What was measured on its holdout, by name."""
        return {name: f"{value:.4g}" for name, value in self.metrics.items() if value is not None}


def _span(window: Mapping[str, Any]) -> str:
    return f"{window['lines']:,} lines, {window['from'][:10]} to {window['until'][:10]}"


def describe(registry: Registry, market: str, number: str | None = None) -> list[Described]:
    """A market's versions, the latest first; or the one of this number.

    Raises:
        DataError: the market has no such version, or its package is gone.
    """
    versions = [registry.version(market, number)] if number else registry.versions(market)[::-1]
    role_of = {holder.number: role for role, holder in registry.holders(market).items()}
    return [_described(version, role_of.get(version.number, "")) for version in versions]


def _described(version: Version, role: str) -> Described:
    result, card = (_read(version, name) for name in (RESULT_FILE, CARD_FILE))
    return Described(version, role, result["metrics"], card["training"]["config"], card["training"]["windows"])


def _read(version: Version, name: str) -> dict[str, Any]:
    path = Path(version.ref.path) / name
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        raise DataError(
            f"version {version.number} of market {version.market!r} cannot be described: {path} is not readable "
            f"({error}). Was its package removed?"
        ) from error


def differences(one: Described, other: Described) -> dict[str, tuple[str, str]]:
    """By name what is not the same of two versions: facts, then config, then measures."""
    mine, theirs = _told(one), _told(other)
    pairs = {name: (mine.get(name, ""), theirs.get(name, "")) for name in dict.fromkeys([*mine, *theirs])}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _told(one: Described) -> dict[str, str]:
    return {**one.facts(), **{f"training: {name}": str(value) for name, value in one.config.items()}, **one.measures()}
