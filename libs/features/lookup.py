"""From a batch of questions to the features they need: customers are read each time, articles once a refresh."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cachetools import TTLCache

from libs.features.definitions import Views
from libs.features.online import OnlineStore
from libs.features.sides import Live, Sides
from libs.features.snapshot import Article, OnlineRow, Question, Snapshot, laid_out

# Articles that a replica keeps: some 2 kB each. A large market's whole assortment fits.
_KEPT_ARTICLES = 100_000
# How long a row is believed that no refresh has replaced: the bound for what changed without one.
_KEPT_S = 300.0


class OnlineLookup:
    """Reads what is known online of a market's customers and articles."""

    def __init__(self, store: OnlineStore, views: Views, sides: Sides) -> None:
        self._store = store
        self._views = views
        self._sides = sides
        # The refresh is a part of the key: what was kept of an earlier one is never found again, and ages out.
        self._kept: TTLCache[tuple[str, str], Article] = TTLCache(_KEPT_ARTICLES, _KEPT_S)

    def look_up(self, market: str, questions: Sequence[Question]) -> Snapshot:
        """Raises: TransientError: the online store is away."""
        live = self._sides.seen(market)
        if live is None:
            return laid_out([], [], [], [])
        articles = self._articles(live, [question.article_id for question in questions])
        customers = self._rows(self._views.customers, live, [question.customer_id for question in questions])
        asked = [(index, articles.get(question.article_id)) for index, question in enumerate(questions)]
        known = [(index, article) for index, article in asked if article is not None]
        found = laid_out(
            [index for index, _ in known],
            [customers[questions[index].customer_id] for index, _ in known],
            [article for _, article in known],
            [questions[index].selected_size for index, _ in known],
        )
        return replace(found, as_of=live.as_of)

    def _articles(self, live: Live, ids: Sequence[str]) -> dict[str, Article]:
        """The articles that are online, from what was kept of this refresh or else read."""
        found = {one: kept for one in ids if (kept := self._kept.get((live.stamp, one))) is not None}
        missing = self._rows(self._views.articles, live, [one for one in ids if one not in found])
        for one, row in missing.items():
            if row is not None:
                found[one] = self._kept[live.stamp, one] = Article.of(row)
        return found

    def _rows(self, view: Any, live: Live, ids: Sequence[str]) -> dict[str, OnlineRow | None]:
        distinct = list(dict.fromkeys(ids))
        return dict(zip(distinct, self._store.read(view, live.place, distinct), strict=True))
