"""What a market's ledger comes to: who has which role, what became of each version, who was champion before whom."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from libs.models.ledger import Entry

_STATUS, _REASON = "fitwave.status", "fitwave.reason"


class Mark(NamedTuple):
    """How far a market has come: its last entry's number, and whether registry and Serve follow it."""

    number: int
    settled: bool


@dataclass(frozen=True)
class Roles:
    """Who is champion and challenger, and since when these two are.

    `canary_share`: the share of the customers that the challenger answers, in a canary.
    """

    champion: str | None = None
    challenger: str | None = None
    since: str = ""
    canary_share: float | None = None

    @property
    def window(self) -> str | None:
        """The name of the shadow window: a new one whenever a role changes hands, so no pair is counted for others."""
        if self.challenger is None:
            return None
        since = self.since.replace("+00:00", "Z").replace(":", "")
        return f"v{self.challenger}-{since or 'unknown'}"


NOBODY = Roles()


@dataclass(frozen=True)
class Promotion:
    """A version that became champion at the end of its shadow window, when, and the champion before it."""

    version: str
    previous: str
    window: str
    at: datetime


@dataclass(frozen=True)
class History:
    """A market's entries, oldest first, and whether registry and Serve follow the last.

    `found`: who the registry says has which role, for a market whose ledger is empty, or was lost.
    """

    entries: tuple[Entry, ...] = ()
    settled: bool = True
    found: Roles = NOBODY

    @property
    def mark(self) -> Mark:
        return Mark(len(self.entries), self.settled)

    @property
    def roles(self) -> Roles:
        """Who has which role by the last entry."""
        roles = self.found
        for entry in self.entries:
            roles = _after(roles, entry)
        return roles

    @property
    def canary(self) -> Entry | None:
        """What began the canary's present step, where there is a canary: any other change ends it."""
        return self.entries[-1] if self.entries and self.roles.canary_share is not None else None

    def with_entry(self, entry: Entry) -> "History":
        """The history once this entry has been added, and nothing follows it yet."""
        return History((*self.entries, entry), settled=False, found=self.found)

    def about(self, version: str) -> Entry | None:
        """The last entry that names a version as its own, if any."""
        return next((entry for entry in reversed(self.entries) if entry.version == version), None)

    def champion_before(self, version: str) -> str | None:
        """Who was champion when `version` became it.

        Of a champion that came by rollback, it is who was champion before that version's own promotion: rolling back
        twice goes two champions back, and not to and fro.
        """
        made = [one for one in self.entries if one.version == version and one.action in ("first", "promote")]
        return made[-1].previous if made else None

    def promotions(self) -> list[Promotion]:
        """Each promotion of a challenger, oldest first, also those that have been rolled back since."""
        found, roles = [], self.found
        for entry in self.entries:
            if entry.action == "promote" and entry.previous is not None and roles.window is not None:
                at = datetime.fromisoformat(entry.at)
                found.append(Promotion(entry.version, entry.previous, roles.window, at))
            roles = _after(roles, entry)
        return found

    def statuses(self) -> Mapping[str, Mapping[str, str]]:
        """By version the tags that say what became of it, where something did."""
        found: dict[str, dict[str, str]] = {}
        roles = self.found
        for entry in self.entries:
            found |= _statuses(entry, roles)
            roles = _after(roles, entry)
        return found


def _after(roles: Roles, entry: Entry) -> Roles:
    match entry.action:
        case "first" | "promote":
            return Roles(entry.version, None, entry.at)
        case "shadow":
            return Roles(entry.previous, entry.version, entry.at)
        case "canary":
            return replace(roles, canary_share=entry.canary_share)
        case "reject" | "withdraw":
            return Roles(entry.previous, None, entry.at)
        case "rollback":
            return Roles(entry.version, roles.challenger, entry.at)


def _statuses(entry: Entry, before: Roles) -> dict[str, dict[str, str]]:
    match entry.action:
        case "promote":
            return {entry.version: {_STATUS: "promoted"}}
        case "reject":
            return {entry.version: {_STATUS: "rejected", _REASON: entry.reason}}
        case "withdraw":
            return {entry.version: {_STATUS: "not deployed", _REASON: entry.reason}}
        case "rollback" if entry.previous is not None:
            return {entry.previous: {_STATUS: "rolled back", _REASON: entry.reason}}
        case "shadow" if before.challenger not in (None, entry.version):
            return {str(before.challenger): {_STATUS: "replaced"}}
        case _:
            return {}
