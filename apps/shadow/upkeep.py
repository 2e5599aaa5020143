"""The upkeep of a market's pair log: few files, and no window for longer than the market's config says."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from libs.features.lake import Lake
from libs.models.lifecycle import Lifecycle
from libs.models.pair_compaction import alone, compact, remove_old
from libs.models.pair_log import windows


@dataclass(frozen=True)
class Kept:
    """What became of a market's windows: those that were removed, and the files that were replaced by fewer."""

    market: str
    windows: int
    compacted: int
    removed: list[str]

    def told(self) -> str:
        """In a line."""
        removed = f"removed {', '.join(self.removed)}" if self.removed else "none is old enough to be removed"
        return f"{self.market}: {self.compacted} small files of pairs compacted; {self.windows} windows kept, {removed}"


def keep_up(lifecycle: Lifecycle, market: str) -> Kept:
    """Remove the windows that are older than the market's `retention_days` and compact the others; again is safe.

    The window that is open stays, whatever its age.

    Raises:
        DataError: a newer release wrote one of the files.
        TransientError: another is at work on the market's pair log, or a store is away.
    """
    environment, roles = lifecycle.environment, lifecycle.history(market).roles
    days = environment.market(market).shadow.retention_days
    lake, before = Lake.open(environment.lake), datetime.now(UTC) - timedelta(days=days)
    with alone(lifecycle.endpoints.redis_url, environment.name, market) as held:
        removed = remove_old(lake, market, before, {roles.window} if roles.window else set())
        left = windows(lake, market)
        replaced = sum(compact(lake, market, one, lambda: held.require("the compaction of pairs")) for one in left)
    return Kept(market, len(left), replaced, removed)
