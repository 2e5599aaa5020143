"""What the console's pages tell of the markets, as ledger and stores have it.

All of it reads files or asks stores: call it from a thread.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from apps.shadow import promotion
from apps.shadow.console.features import OnlineFeatures, online_features
from apps.shadow.rollout import in_words, pin_note
from apps.shadow.window_page import judged_page
from libs.base.endpoints import Endpoints
from libs.base.environment import Environment
from libs.base.errors import FitwaveError
from libs.base.rollout import Rollout
from libs.features.sides import Live, Sides
from libs.models.history import History
from libs.models.lifecycle import Lifecycle


@dataclass(frozen=True)
class MarketState:
    """Who has which role, how far the window has come, of which `max_hours` is the end, and what follows it."""

    name: str
    history: History
    max_hours: float
    min_pairs: int
    rollout: Rollout

    @property
    def policy(self) -> str:
        """The rollout policy, and what a person has to do for it."""
        note = pin_note(self.rollout, self.name, self.history)
        return in_words(self.rollout) + (f". Now {note}" if note else "")

    @property
    def hours(self) -> float:
        """How long the roles have been what they are."""
        since = self.history.roles.since
        return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds() / 3600 if since else 0.0

    @property
    def champion_before(self) -> str | None:
        """Whom a rollback brings back."""
        champion = self.history.roles.champion
        return self.history.champion_before(champion) if champion else None


@dataclass(frozen=True)
class MarketRow:
    """One line of all markets; `faults` say what could not be read."""

    name: str
    state: MarketState | None
    live: Live | None
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What a window shows: the parts of its page, plots included; `notes` tell how far a canary is, or who waits."""

    window: str
    decision: str
    pairs: int
    parts: dict[str, Any]
    notes: tuple[str, ...] = ()


class Markets:
    """One environment's markets."""

    def __init__(self, environment: Environment, endpoints: Endpoints) -> None:
        self.environment = environment
        self._endpoints = endpoints

    @cached_property
    def _lifecycle(self) -> Lifecycle:
        # With the first question, and not before: a console starts, and says what is away, when MLflow is.
        return Lifecycle.of(self.environment, self._endpoints)

    @cached_property
    def _sides(self) -> Sides:
        return Sides(self._endpoints.redis_url, self.environment.name)

    def row(self, name: str) -> MarketRow:
        """A market's line, whatever can be read of it."""
        faults: list[str] = []
        state, live = None, None
        try:
            state = self.state(name)
        except FitwaveError as error:
            faults.append(str(error))
        try:
            live = self._sides.live(name)
        except FitwaveError as error:
            faults.append(str(error))
        return MarketRow(name, state, live, tuple(faults))

    def state(self, name: str) -> MarketState:
        """Raises: DataError: the ledger is damaged. TransientError: MLflow is away, which an empty ledger needs."""
        shadow = self.environment.market(name).shadow
        history = self._lifecycle.history(name)
        return MarketState(name, history, shadow.max_hours, shadow.min_pairs, shadow.rollout)

    def evidence(self, name: str) -> Evidence | None:
        """Judge the market's window as `fitwave shadow compare` does; None when nothing is shadowed.

        Raises: as `state`, and DataError: the lake or the challenger's package cannot be read.
        """
        shadow = promotion.shadow_of(self._lifecycle, name)
        if shadow is None:
            return None
        page = judged_page(self._lifecycle, shadow)
        pairs = page.verdict.comparison.integrity.logged
        notes = tuple(promotion.window_notes(self._lifecycle, shadow))
        return Evidence(shadow.window, page.verdict.decision, pairs, page.parts(), notes)

    def features(self, name: str) -> OnlineFeatures:
        """Freshness and coverage; raises as `online_features`."""
        return online_features(self.environment, self._sides, name)

    def roll_back(self, name: str, champion: str, reason: str, by: str) -> tuple[str, str]:
        """Bring the champion before this one back, once; raises as `apps.shadow.promotion.rollback`."""
        return promotion.rollback(self._lifecycle, name, reason, champion, by)
