"""Bring the features of every registered customer and every online article online, before any new model goes out.

The side of each market that is not live is filled: rows that are as they were two refreshes ago are left alone, rows of
customers and articles that are gone are removed. Once all of it can be found there, the side becomes live.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import polars as pl
import ray.data
from ray.data import TaskPoolStrategy

from libs.base.environment import Refreshing
from libs.base.progress import Progress, Silent
from libs.base.redis_lock import Held
from libs.features.contents import Contents, changed, gone, hashed
from libs.features.definitions import ARTICLE, CUSTOMER, MARKET, repository, views
from libs.features.feast_import import FeatureStore
from libs.features.online import OnlineStore
from libs.features.preprocess import Failed, Prepared
from libs.features.sides import SIDES, WRITING, Sides, digest_of, place

KEYS = {"customers": "customer_id", "articles": "article_id"}
_PART_ROWS = 16_000
_WRITERS = 2
_LAST = 19


@dataclass(frozen=True)
class Destination:
    """Where online features go, what a worker needs to open the store, and how a live market's are written."""

    environment: str
    home: Path
    redis_url: str
    refreshing: Refreshing = field(default_factory=Refreshing)


@dataclass(frozen=True)
class Refreshed:
    """What one market's refresh came to: the rows there are, of how many customers nothing is known but that they are
    registered, how many rows had to be written or removed, what share of each kind is in the store.
    """

    market: str
    customers: int
    unknown_customers: int
    articles: int
    written: int
    removed: int
    customer_coverage: float
    article_coverage: float

    @property
    def coverage(self) -> float:
        """The smaller of the two shares: a request needs both sides."""
        return min(self.customer_coverage, self.article_coverage)


def apply_definitions(destination: Destination) -> None:
    """Register entities and views with Feast; a no-op when they are as before."""
    registry = destination.home / "feast"
    registry.mkdir(parents=True, exist_ok=True)
    feast_views = views()
    store = FeatureStore(config=repository(destination.environment, destination.home, destination.redis_url))
    store.apply([MARKET, CUSTOMER, ARTICLE, feast_views.customers, feast_views.articles])


def refresh(
    destination: Destination,
    prepared: Sequence[Prepared],
    min_coverage: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> dict[str, Refreshed | Failed]:
    """Bring these markets' features online; the caller is connected to Ray.

    A market of which less than its `min_coverage` (by default nothing) arrived, or whose live features are of a later
    cut-off, keeps the features it had, and comes back as `Failed`. After a crash it can be run again.

    Raises:
        TransientError: Redis is away, or another refresh of a market is at work.
    """
    sides = Sides(destination.redis_url, destination.environment)
    bounds = min_coverage or {}
    with ExitStack() as locks:
        held = {one.market: locks.enter_context(sides.refreshing(one.market)) for one in prepared}
        apply_definitions(destination)
        stale = {one.market: reason for one in prepared if (reason := _of_the_past(sides, one))}
        fillings = [_filling(destination, sides, one) for one in prepared if one.market not in stale]
        parts = [part for filling in fillings for part in filling.parts()]
        if parts:
            writes = ray.data.from_items(parts, override_num_blocks=len(parts))
            # Two writers keep two cores busy; each costs an import of Feast, which is most of a small refresh.
            gentle = any(filling.asked_about for filling in fillings)
            writers = min(destination.refreshing.writers if gentle else _WRITERS, len(parts))
            done = writes.map(partial(_write_part, destination=destination), compute=TaskPoolStrategy(writers))
            with (progress or Silent()).step("refresh features", sum(len(part["rows"]) for part in parts)) as advance:
                for row in done.iter_rows():
                    advance(row["written"])
        filled = {one.prepared.market: one for one in fillings}
        return {
            name: Failed(name, "refresh", stale[name])
            if name in stale
            else _finish(destination, sides, filled[name], held[name], bounds.get(name, 0.0))
            for name in held
        }


@dataclass(frozen=True)
class _Filling:
    """A market's side that is being filled: whether the other is being asked about, what it is to hold, of how many
    customers of it nothing is known, what it held, None where nobody knows, and by kind the positions of the rows that
    have to be written, in the order of the table.
    """

    prepared: Prepared
    side: str
    asked_about: bool
    now: Mapping[str, pl.DataFrame]
    unknown_customers: int
    before: Contents | None
    to_write: Mapping[str, pl.Series]

    @property
    def place(self) -> str:
        return place(self.prepared.market, self.side)

    def parts(self) -> Iterator[dict[str, Any]]:
        """What one task writes each."""
        for kind, rows in self.to_write.items():
            for start in range(0, len(rows), _PART_ROWS):
                yield {
                    "place": self.place,
                    "kind": kind,
                    "path": getattr(self.prepared, f"{kind}_path"),
                    "rows": rows.slice(start, _PART_ROWS).to_list(),
                    "as_of": self.prepared.as_of,
                    "gentle": self.asked_about,
                }


def _of_the_past(sides: Sides, prepared: Prepared) -> str | None:
    live = sides.live(prepared.market)
    if live is None or live.as_of <= datetime.fromisoformat(prepared.as_of):
        return None
    return (
        f"market {prepared.market!r}: the live features are of {live.as_of.isoformat()}, later than those of "
        f"{prepared.as_of}. They stay as they are, and so does the live model."
    )


def _filling(destination: Destination, sides: Sides, prepared: Prepared) -> _Filling:
    market, live = prepared.market, sides.live(prepared.market)
    if live is not None:
        sides.wait_until_settled(live)
    side = next(one for one in SIDES if live is None or one != live.side)
    before = Contents.load(destination.home, sides, market, side, KEYS)
    sides.set_contents(market, side, WRITING)
    tables = {kind: pl.read_parquet(getattr(prepared, f"{kind}_path")) for kind in KEYS}
    now = {kind: hashed(tables[kind], key).with_row_index("row") for kind, key in KEYS.items()}
    now["customers"] = _without_forgotten(now["customers"], sides, prepared)
    if before is None:
        _clear(destination, place(market, side))
    to_write = {kind: changed(rows, before.rows[kind] if before else None)["row"].sort() for kind, rows in now.items()}
    held = {kind: rows.drop("row") for kind, rows in now.items()}
    unknown = tables["customers"].select(_nothing_known().sum()).item()
    return _Filling(prepared, side, live is not None, held, unknown, before, to_write)


def _without_forgotten(customers: pl.DataFrame, sides: Sides, prepared: Prepared) -> pl.DataFrame:
    """The customers but for those who were forgotten since the lake was read."""
    forgotten = sides.forgotten_since(prepared.market, datetime.fromisoformat(prepared.read_at))
    if not forgotten:
        return customers
    return customers.filter(pl.Series([digest_of(one) not in forgotten for one in customers["id"]], dtype=pl.Boolean))


def _nothing_known() -> pl.Expr:
    """Whether a customer is registered, and that is all: no purchase, and no measure that suggests a size."""
    unsuggested = pl.col("body_positions").list.eval(pl.element().is_nan()).list.all()
    return (pl.col("history_position").list.len() == 0) & unsuggested


def _clear(destination: Destination, at: str) -> None:
    """Remove whatever a place holds: the rows of a refresh that died may be of customers who are gone by now."""
    store = _store(destination)
    for kind in KEYS:
        view = getattr(views(), kind)
        store.delete(view, at, list(store.ids(view, at)))


def _write_part(part: dict[str, Any], destination: Destination) -> dict[str, Any]:
    _give_way()
    kind = part["kind"]
    first, last = part["rows"][0], part["rows"][-1]
    rows = pl.scan_parquet(part["path"]).slice(first, last - first + 1).collect()[[row - first for row in part["rows"]]]
    _store(destination).write(
        getattr(views(), kind),
        part["place"],
        rows[KEYS[kind]].to_list(),
        rows,
        datetime.fromisoformat(part["as_of"]),
        destination.refreshing.rest if part["gentle"] else None,
    )
    return {"written": len(rows)}


@lru_cache(maxsize=1)
def _give_way() -> None:
    """Be the last for this machine's cores: on one that also serves, a question is answered first."""
    os.nice(_LAST)


@lru_cache(maxsize=4)
def _store(destination: Destination) -> OnlineStore:
    return OnlineStore.open(destination.environment, destination.home, destination.redis_url)


def _finish(
    destination: Destination, sides: Sides, filling: _Filling, held: Held, min_coverage: float
) -> Refreshed | Failed:
    store, market = _store(destination), filling.prepared.market
    removed, shares = 0, {}
    for kind, now in filling.now.items():
        view = getattr(views(), kind)
        if filling.before is not None:
            removed += store.delete(view, filling.place, gone(now, filling.before.rows[kind]))
        shares[kind] = store.count(view, filling.place, now["id"].to_list()) / len(now) if len(now) else 0.0
    if min(shares.values()) < min_coverage:
        return Failed(
            market,
            "refresh",
            f"market {market!r}: only {shares['customers']:.1%} of customers and {shares['articles']:.1%} of articles "
            f"have online features, the market needs {min_coverage:.1%}. The others are not in the store at all; "
            f"{filling.unknown_customers:,} of {len(filling.now['customers']):,} customers have a row with nothing "
            f"known in it, and are not among them. Nothing was deployed, and the features of before are live; look at "
            f"Redis' memory and evictions, then run the refresh again.",
        )
    Contents(filling.now).save(destination.home, sides, market, filling.side)
    held.require("the refresh")
    sides.make_live(market, filling.side, datetime.fromisoformat(filling.prepared.as_of))
    return Refreshed(
        market=market,
        customers=len(filling.now["customers"]),
        unknown_customers=filling.unknown_customers,
        articles=len(filling.now["articles"]),
        written=sum(map(len, filling.to_write.values())),
        removed=removed,
        customer_coverage=shares["customers"],
        article_coverage=shares["articles"],
    )
