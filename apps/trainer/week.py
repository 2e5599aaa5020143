"""One market's week: what it came to, and what a week that was killed leaves to the one that is run again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from apps.trainer.origin import Origin
from libs.base.identifiers import week_name
from libs.features.lake import LakeVersion
from libs.features.preprocess import Prepared
from libs.features.refresh import Refreshed
from libs.models.market_training import Trained


@dataclass
class MarketWeek:
    """What one market's week came to. `outcome`: champion, challenger, rejected, or failed at `stage`."""

    market: str
    outcome: str = "failed"
    stage: str = "preprocess"
    reason: str = ""
    prepared: Prepared | None = None
    trained: Trained | None = None
    version: str | None = None
    report_path: str | None = None
    validation_path: str | None = None
    warnings: list[str] = field(default_factory=list)
    tag: str | None = None
    refreshed: Refreshed | None = None

    def report(self) -> dict[str, Any]:
        """The week as plain values."""
        return dict(json.loads(json.dumps(asdict(self), default=str)))

    def end(self, outcome: str, stage: str, reason: str = "") -> None:
        """The week has come to this."""
        self.outcome, self.stage, self.reason = outcome, stage, reason


@dataclass(frozen=True)
class Kept:
    """The preprocessed week, and what it was made from."""

    origin: Origin
    prepared: Prepared


_KEPT = TypeAdapter(Kept)


@dataclass(frozen=True)
class WeekFolder:
    """Where a market's week is worked on: `<home>/runs/<as of>/<market>`, there until the week has ended.

    Whoever writes here holds the market's lock.
    """

    path: Path

    @classmethod
    def of(cls, home: Path, as_of: datetime, market: str) -> "WeekFolder":
        return cls(home / "runs" / week_name(as_of) / market)

    @property
    def model(self) -> Path:
        """What the market is trained into."""
        return self.path / "model"

    def take_up(self, origin_now: Callable[[LakeVersion], Origin]) -> Prepared | None:
        """What was preprocessed before the week was killed; what other code or config has left is cleared away.

        `origin_now` is the origin of what would be made from a version of the lake now.
        """
        try:
            kept = _KEPT.validate_json(self._kept.read_bytes())
        except (FileNotFoundError, ValidationError):
            kept = None
        if kept is not None and kept.origin == origin_now(kept.prepared.lake_version):
            return kept.prepared
        self.remove()
        return None

    def keep(self, origin: Origin, prepared: Prepared) -> None:
        """Have the tables used by whoever runs the week again."""
        draft = self._kept.with_suffix(".draft")
        draft.write_bytes(_KEPT.dump_json(Kept(origin, prepared)))
        draft.replace(self._kept)

    def remove(self) -> None:
        """The week has ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            self.path.parent.rmdir()
        except OSError:
            # Other markets are at work on the same week, or nobody has been.
            return

    @property
    def _kept(self) -> Path:
        return self.path / "prepared.json"
