"""Scoring in bulk, for mailings and back-tests: every customer with every article, through the package that is live.

Features are those of the online store, read once for each customer and article and not for each pair.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import ray.data
from ray.data import TaskPoolStrategy

from libs.base.errors import DataError
from libs.features.cross import Articles, cross
from libs.features.definitions import views
from libs.features.online import OnlineStore
from libs.features.refresh import Destination
from libs.features.sides import Live
from libs.features.snapshot import Article, OnlineRow
from libs.models.contract import ModelRef
from libs.models.lines import named_size
from libs.models.package import Package, load

# Pairs that go through the model at once: some ten sizes each, so that the model's input has 100 MB.
_PAIRS_AT_ONCE = 20_000
# Rows of Redis in one round trip.
_READ_ROWS = 1_000
# Pairs of one task and one output file.
_TASK_PAIRS = 2_000_000


@dataclass(frozen=True)
class Scoring:
    """What to score with what; plain values, because every task gets it."""

    destination: Destination
    live: Live
    model: ModelRef
    folder: str


@dataclass(frozen=True)
class Bulk:
    """What came of it: ids that are not online are left out and counted."""

    pairs: int
    unknown_customers: int
    unknown_articles: int


def score(scoring: Scoring, customer_ids: Sequence[str], article_ids: Sequence[str], concurrency: int) -> Bulk:
    """Score every pair and write one Parquet file a task into the folder; the caller is connected to Ray.

    Shape: n customers, m articles that are online -> n * m rows of customer_id, article_id, size, confidence and
    abstained. Customers without features are scored as new ones; an abstention has no size.

    Raises:
        DataError: no article is online.
        TransientError: Redis is away.
    """
    known = len(_articles(scoring, tuple(article_ids))[0])
    if known == 0:
        raise DataError(f"none of the {len(article_ids)} articles is online in market {scoring.live.market!r}")
    customers_each = max(1, min(_TASK_PAIRS // known, -(-len(customer_ids) // concurrency)))
    parts = [
        {"part": start // customers_each, "customers": json.dumps(customer_ids[start : start + customers_each])}
        for start in range(0, len(customer_ids), customers_each)
    ]
    todo = ray.data.from_items(parts, override_num_blocks=len(parts))
    score_part = partial(_score_part, scoring=scoring, article_ids=tuple(article_ids))
    done = todo.map(score_part, compute=TaskPoolStrategy(concurrency)).take_all()
    return Bulk(
        pairs=sum(one["pairs"] for one in done),
        unknown_customers=sum(one["unknown"] for one in done),
        unknown_articles=len(article_ids) - known,
    )


def _score_part(row: dict[str, Any], scoring: Scoring, article_ids: tuple[str, ...]) -> dict[str, Any]:
    customer_ids: list[str] = json.loads(row["customers"])
    package = _package(scoring.model)
    known, articles = _articles(scoring, article_ids)
    rows = _read(scoring, "customers", customer_ids)
    each = max(1, _PAIRS_AT_ONCE // len(known))
    parts = [
        _score_pairs(package, customer_ids[start : start + each], rows[start : start + each], known, articles)
        for start in range(0, len(customer_ids), each)
    ]
    table = pl.concat(parts)
    # Written beside and then named: a task that is killed and run again leaves one file and no half.
    path = Path(scoring.folder) / f"part-{row['part']:05d}.parquet"
    draft = path.with_suffix(".draft")
    table.write_parquet(draft)
    draft.replace(path)
    return {"pairs": len(table), "unknown": sum(one is None for one in rows)}


def _score_pairs(
    package: Package,
    customer_ids: Sequence[str],
    rows: Sequence[OnlineRow | None],
    article_ids: Sequence[str],
    articles: Articles,
) -> pl.DataFrame:
    requests = cross(rows, articles)
    best, confidence = named_size(package.predict(requests), requests.offsets)
    labels = np.array([label for one in articles.articles for label in one.sizes], dtype=object)
    starts = np.cumsum(articles.size_counts) - articles.size_counts
    n, m = len(customer_ids), len(article_ids)
    abstained = confidence < package.card.abstention.threshold
    return pl.DataFrame(
        {
            "customer_id": pl.Series(customer_ids, dtype=pl.String).gather(np.repeat(np.arange(n), m)),
            "article_id": pl.Series(article_ids, dtype=pl.String).gather(np.tile(np.arange(m), n)),
            "size": pl.Series(labels, dtype=pl.String).gather(np.tile(starts, n) + best),
            "confidence": confidence,
            "abstained": abstained,
        }
    ).with_columns(size=pl.when("abstained").then(None).otherwise("size"))


def _read(scoring: Scoring, kind: str, ids: Sequence[str]) -> list[OnlineRow | None]:
    store, view = _store(scoring.destination), getattr(views(), kind)
    return [
        row
        for start in range(0, len(ids), _READ_ROWS)
        for row in store.read(view, scoring.live.place, ids[start : start + _READ_ROWS])
    ]


@lru_cache(maxsize=2)
def _articles(scoring: Scoring, article_ids: tuple[str, ...]) -> tuple[list[str], Articles]:
    """Those of the articles that are online."""
    found = [
        (one, Article.of(row))
        for one, row in zip(article_ids, _read(scoring, "articles", article_ids), strict=True)
        if row is not None
    ]
    return [one for one, _ in found], Articles.of([article for _, article in found]) if found else _NONE


_NONE = Articles([], *(np.empty(0),) * 2, *(np.empty(0, dtype=np.int64),) * 2, np.empty(0, dtype=np.str_))


@lru_cache(maxsize=2)
def _package(model: ModelRef) -> Package:
    return load(Path(model.path), model.sha256)


@lru_cache(maxsize=2)
def _store(destination: Destination) -> OnlineStore:
    return OnlineStore.open(destination.environment, destination.home, destination.redis_url)
