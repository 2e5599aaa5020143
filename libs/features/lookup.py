"""From a batch of questions to the features they need: customers are read each time, articles once a refresh.

While the online store is away nobody waits for it: what was read before answers, and of the rest nothing is known.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cachetools import LRUCache, TTLCache

from libs.base.errors import TransientError
from libs.features.definitions import Views
from libs.features.online import OnlineStore
from libs.features.sides import Live, Sides
from libs.features.snapshot import Article, OnlineRow, Question, Snapshot, laid_out
from libs.features.store_watch import StoreWatch

# Articles that a replica keeps: some 2 kB each. A large market's whole assortment fits.
_KEPT_ARTICLES = 100_000
# How long a row is believed that no refresh has replaced: the bound for what changed without one.
_KEPT_S = 300.0
# Customers that are kept for when the store is away, for as long: some 3 kB each.
_KEPT_CUSTOMERS = 10_000

Customers = dict[str, OnlineRow | None]
Articles = dict[str, Article]


class OnlineLookup:
    """Reads what is known online of a market's customers and articles."""

    def __init__(self, store: OnlineStore, views: Views, sides: Sides) -> None:
        self._store = store
        self._views = views
        self._sides = sides
        self._watch = StoreWatch()
        # The refresh is a part of the key: what was kept of an earlier one is never found again, and falls out.
        self._articles: LRUCache[tuple[str, str], tuple[float, Article]] = LRUCache(_KEPT_ARTICLES)
        self._customers: TTLCache[tuple[str, str], OnlineRow | None] = TTLCache(_KEPT_CUSTOMERS, _KEPT_S)

    def look_up(self, market: str, questions: Sequence[Question]) -> Snapshot:
        """The features of the questions; `store_away` says if they could not be read."""
        if not self._watch.is_away:
            try:
                return self._read(market, questions)
            except TransientError as error:
                self._watch.lost(str(error), lambda: self._ask(market, questions[0]))
        return self._remembered(market, questions)

    def _read(self, market: str, questions: Sequence[Question]) -> Snapshot:
        live = self._sides.seen(market)
        if live is None:
            return laid_out([], [], [], [])
        articles = self._read_articles(live, [question.article_id for question in questions])
        customers = self._read_customers(live, [question.customer_id for question in questions])
        return _laid_out(live, questions, customers, articles)

    def _read_articles(self, live: Live, ids: Sequence[str]) -> Articles:
        """The articles that are online, from what was kept of this refresh or else read."""
        now = time.monotonic()
        found = {}
        for one in ids:
            read_at, article = self._articles.get((live.stamp, one), (None, None))
            if read_at is not None and article is not None and now - read_at < _KEPT_S:
                found[one] = article
        missing = self._rows(self._views.articles, live, [one for one in ids if one not in found])
        for one, row in missing.items():
            if row is not None:
                found[one] = Article.of(row)
                self._articles[live.stamp, one] = now, found[one]
        return found

    def _read_customers(self, live: Live, ids: Sequence[str]) -> Customers:
        found = self._rows(self._views.customers, live, ids)
        for one, row in found.items():
            self._customers[live.stamp, one] = row
        return found

    def _rows(self, view: Any, live: Live, ids: Sequence[str]) -> Customers:
        distinct = list(dict.fromkeys(ids))
        return dict(zip(distinct, self._store.read(view, live.place, distinct), strict=True))

    def _remembered(self, market: str, questions: Sequence[Question]) -> Snapshot:
        live = self._sides.last_seen(market)
        if live is None:
            return replace(laid_out([], [], [], []), store_away=True)
        customers = {one.customer_id: self._customers.get((live.stamp, one.customer_id)) for one in questions}
        kept = {one.article_id: self._articles.get((live.stamp, one.article_id)) for one in questions}
        articles = {one: found[1] for one, found in kept.items() if found is not None}
        return replace(_laid_out(live, questions, customers, articles), store_away=True)

    def _ask(self, market: str, question: Question) -> None:
        """Read what one question needs, and keep nothing.

        Raises: TransientError: the store is away.
        """
        live = self._sides.live(market)
        if live is not None:
            self._store.read(self._views.customers, live.place, [question.customer_id])
            self._store.read(self._views.articles, live.place, [question.article_id])


def _laid_out(live: Live, questions: Sequence[Question], customers: Customers, articles: Articles) -> Snapshot:
    asked = [(index, articles.get(question.article_id)) for index, question in enumerate(questions)]
    known = [(index, article) for index, article in asked if article is not None]
    found = laid_out(
        [index for index, _ in known],
        [customers[questions[index].customer_id] for index, _ in known],
        [article for _, article in known],
        [questions[index].selected_size for index, _ in known],
    )
    return replace(found, as_of=live.as_of)
