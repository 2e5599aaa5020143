"""How fresh a market's online features are, and of how many customers and articles there are any."""

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from libs.base.environment import Environment
from libs.features.contents import Contents
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS
from libs.features.sides import Live, Sides

_KINDS = {"customers": "registered in the lake", "articles": "online in the lake"}


@dataclass(frozen=True)
class Coverage:
    """How many rows of a kind are online, beside how many the lake has now. `online` None: nobody knows."""

    kind: str
    meaning: str
    online: int | None
    registered: int

    @property
    def share(self) -> float | None:
        """None where there is nothing to cover, or it is not known."""
        if self.online is None or not self.registered:
            return None
        return min(1.0, self.online / self.registered)


@dataclass(frozen=True)
class OnlineFeatures:
    """A market's live side and what it covers; both empty before the first refresh."""

    live: Live | None
    coverage: tuple[Coverage, ...] = ()

    @property
    def age_days(self) -> float | None:
        """How long ago the cut-off was."""
        return None if self.live is None else (datetime.now(UTC) - self.live.as_of).total_seconds() / 86_400


def online_features(environment: Environment, sides: Sides, market: str) -> OnlineFeatures:
    """Look at the live side.

    Raises:
        TransientError: Redis is away.
        DataError: the lake cannot be read.
    """
    live = sides.live(market)
    if live is None:
        return OnlineFeatures(None)
    contents = Contents.load(environment.home, sides, market, live.side, _KINDS)
    registered = _registered(Lake.open(environment.lake), market)
    return OnlineFeatures(
        live,
        tuple(
            Coverage(kind, meaning, len(contents.rows[kind]) if contents else None, registered[kind])
            for kind, meaning in _KINDS.items()
        ),
    )


def _registered(lake: Lake, market: str) -> dict[str, int]:
    articles = pl.DataFrame(pl.from_arrow(lake.read(ARTICLES, market)))
    return {"customers": lake.count(CUSTOMERS, market), "articles": int(articles["online"].sum())}
