"""From a batch of questions to the features they need: one read for the customers, one for the articles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from libs.features.assembly import NOT_CHOSEN, Floats, Requests
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_RANGE, SIZE_STATISTICS
from libs.features.definitions import Views
from libs.features.online import OnlineRow, OnlineStore
from libs.features.persons import Indices


@dataclass(frozen=True)
class Question:
    """One customer and one article, and the size of it that the customer has chosen so far, if that is known."""

    customer_id: str
    article_id: str
    selected_size: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """The features of a batch as they were read, for every model that is asked about it.

    `known` holds the indices of the questions whose article is online; `requests` is over those only, in that order,
    and so are the labels in `sizes`.
    """

    known: list[int]
    requests: Requests
    sizes: list[list[str]]

    def select(self, questions: Sequence[int]) -> "Snapshot":
        """The same features for some of the batch's questions only, in the order given."""
        row_of = {question: row for row, question in enumerate(self.known)}
        known = [position for position, question in enumerate(questions) if question in row_of]
        rows = [row_of[questions[position]] for position in known]
        sizes, offsets = _spans(self.requests.offsets, rows)
        entries, history_offsets = _spans(self.requests.history_offsets, rows)
        return Snapshot(
            known=known,
            requests=Requests(
                {name: column[rows] for name, column in self.requests.values.items()},
                {name: column[sizes] for name, column in self.requests.size_values.items()},
                offsets,
                {name: column[entries] for name, column in self.requests.history.items()},
                history_offsets,
                self.requests.chosen[rows],
            ),
            sizes=[self.sizes[row] for row in rows],
        )


def _spans(offsets: Indices, rows: Sequence[int]) -> tuple[Indices, Indices]:
    """The flat indices that these rows own, and the rows' new offsets."""
    spans = [np.arange(offsets[row], offsets[row + 1]) for row in rows]
    flat = np.concatenate(spans) if spans else np.array([], dtype=np.int64)
    return flat, _offsets([len(span) for span in spans])


def _offsets(counts: Sequence[int]) -> Indices:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


class OnlineLookup:
    """Reads what is known online of a market's customers and articles."""

    def __init__(self, store: OnlineStore, views: Views) -> None:
        self._store = store
        self._views = views

    def look_up(self, market: str, questions: Sequence[Question]) -> Snapshot:
        """Raises: TransientError: the online store is away."""
        customers = self._rows(self._views.customers, market, [question.customer_id for question in questions])
        articles = self._rows(self._views.articles, market, [question.article_id for question in questions])
        known = [index for index, question in enumerate(questions) if articles[question.article_id] is not None]
        pairs = [(customers[questions[i].customer_id], articles[questions[i].article_id]) for i in known]
        selected = [questions[i].selected_size for i in known]
        return snapshot(known, [(customer, article) for customer, article in pairs if article is not None], selected)

    def _rows(self, view: Any, market: str, ids: Sequence[str]) -> dict[str, OnlineRow | None]:
        distinct = list(dict.fromkeys(ids))
        return dict(zip(distinct, self._store.read(view, market, distinct), strict=True))


def snapshot(
    known: list[int], pairs: Sequence[tuple[OnlineRow | None, OnlineRow]], selected: Sequence[str | None] = ()
) -> Snapshot:
    """Lay the rows of each question out as columns; a customer that was never seen has no history and no body.

    `selected` names the size that each question has chosen, None where that is not known; empty: of none it is.
    """
    articles = [article.values for _, article in pairs]
    customers = [customer.values if customer is not None else None for customer, _ in pairs]
    scales = [int(article["scale"]) for article in articles]
    values = {name: _column(articles, name) for name in (*ARTICLE_STATISTICS, *SIZE_RANGE)}
    values["scale"] = np.array(scales, dtype=np.float64)
    values |= {name: _body(customers, name) for name in CUSTOMER_BODY}
    suggested = [
        np.nan if row is None else row["body_positions"][at] for row, at in zip(customers, scales, strict=True)
    ]
    values["body_position"] = np.array(suggested, dtype=np.float64)
    brands = [article["brand"] for article in articles]
    histories = [_history(row, at, brand) for row, at, brand in zip(customers, scales, brands, strict=True)]
    return Snapshot(
        known=known,
        requests=Requests(
            values=values,
            size_values={name: _flat(articles, name) for name in ("positions", *SIZE_STATISTICS)},
            offsets=_offsets([len(article["positions"]) for article in articles]),
            history=_columns([entry for history in histories for entry in history]),
            history_offsets=_offsets([len(history) for history in histories]),
            chosen=_chosen(articles, selected or [None] * len(articles)),
        ),
        sizes=[list(article["sizes"]) for article in articles],
    )


def _chosen(articles: Sequence[dict[str, Any]], selected: Sequence[str | None]) -> Indices:
    """Which of its sizes each question has chosen; one that the article does not have is no choice."""
    found = [
        article["sizes"].index(size) if size is not None and size in article["sizes"] else NOT_CHOSEN
        for article, size in zip(articles, selected, strict=True)
    ]
    return np.array(found, dtype=np.int64)


_HISTORY = ("position", "kept", "small", "large", "same_brand")


def _history(customer: dict[str, Any] | None, scale: int, brand: str) -> list[tuple[float, ...]]:
    """The customer's entries on the scale, in the order they are kept in, each as `_HISTORY`."""
    if customer is None:
        return []
    entries = zip(
        customer["history_scale"],
        customer["history_position"],
        customer["history_kept"],
        customer["history_small"],
        customer["history_large"],
        customer["history_brand"],
        strict=True,
    )
    return [(*entry, float(own == brand)) for at, *entry, own in entries if at == scale]


def _columns(entries: list[tuple[float, ...]]) -> dict[str, Floats]:
    table = np.array(entries, dtype=np.float64).reshape(-1, len(_HISTORY))
    return {name: table[:, index] for index, name in enumerate(_HISTORY)}


def _column(rows: Sequence[dict[str, Any]], name: str) -> Floats:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _body(rows: Sequence[dict[str, Any] | None], name: str) -> Floats:
    values = [None if row is None else row[name] for row in rows]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _flat(rows: Sequence[dict[str, Any]], name: str) -> Floats:
    return np.array([value for row in rows for value in row[name]], dtype=np.float64)
