"""The features of a batch of questions as they were read, in columns, for every model that is asked about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from libs.features.arrays import Floats, Indices, offsets_of
from libs.features.assembly import NOT_CHOSEN, Requests
from libs.features.columns import ARTICLE_STATISTICS, CUSTOMER_BODY, SIZE_RANGE, SIZE_STATISTICS

# The order of the columns of `Article`, and of a snapshot between deployments.
ARTICLE_VALUES = (*ARTICLE_STATISTICS, *SIZE_RANGE, "scale")
VALUES = (*ARTICLE_VALUES, *CUSTOMER_BODY, "body_position")
SIZE_VALUES = ("positions", *SIZE_STATISTICS)
HISTORY = ("position", "kept", "small", "large", "same_brand")


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
    and so are the labels in `sizes`; `as_of` is the cut-off of the features, None before a market's first refresh.
    `store_away`: the online store did not answer, so this is what was read before, and what is not known may be there.
    """

    known: list[int]
    requests: Requests
    sizes: list[list[str]]
    as_of: datetime | None = None
    store_away: bool = False

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
            as_of=self.as_of,
            store_away=self.store_away,
        )


def _spans(offsets: Indices, rows: Sequence[int]) -> tuple[Indices, Indices]:
    """The flat indices that these rows own, and the rows' new offsets."""
    spans = [np.arange(offsets[row], offsets[row + 1]) for row in rows]
    flat = np.concatenate(spans) if spans else np.array([], dtype=np.int64)
    return flat, offsets_of([len(span) for span in spans])


@dataclass(frozen=True)
class OnlineRow:
    """One entity's features, and the moment they are of."""

    values: dict[str, Any]
    as_of: datetime


@dataclass(frozen=True)
class Article:
    """An article's features, decoded: `values` over `ARTICLE_VALUES`, `size_values` over `SIZE_VALUES` and sizes."""

    brand: str
    scale: int
    sizes: list[str]
    values: Floats
    size_values: Floats

    @classmethod
    def of(cls, row: OnlineRow) -> "Article":
        values = row.values
        return cls(
            brand=values["brand"],
            scale=int(values["scale"]),
            sizes=list(values["sizes"]),
            values=np.array([values[name] for name in ARTICLE_VALUES], dtype=np.float64),
            size_values=np.array([values[name] for name in SIZE_VALUES], dtype=np.float64),
        )


def snapshot(
    known: list[int], pairs: Sequence[tuple[OnlineRow | None, OnlineRow]], selected: Sequence[str | None] = ()
) -> Snapshot:
    """Lay the rows of each question out as columns; a customer that was never seen has no history and no body.

    `selected` names the size that each question has chosen, None where that is not known; empty: of none it is.
    """
    articles = [Article.of(article) for _, article in pairs]
    return laid_out(known, [customer for customer, _ in pairs], articles, selected or [None] * len(articles))


def laid_out(
    known: list[int],
    rows: Sequence[OnlineRow | None],
    articles: Sequence[Article],
    selected: Sequence[str | None],
) -> Snapshot:
    """The same of articles that are decoded."""
    customers = [row.values if row is not None else None for row in rows]
    histories = [_history(row, of.scale, of.brand) for row, of in zip(customers, articles, strict=True)]
    bodies = [_body(row, of.scale) for row, of in zip(customers, articles, strict=True)]
    return Snapshot(
        known=known,
        requests=Requests(
            values={
                **dict(zip(ARTICLE_VALUES, _columns([of.values for of in articles], len(ARTICLE_VALUES)), strict=True)),
                **dict(zip(VALUES[len(ARTICLE_VALUES) :], _columns(bodies, len(CUSTOMER_BODY) + 1), strict=True)),
            },
            size_values=dict(
                zip(
                    SIZE_VALUES,
                    np.concatenate([np.empty((len(SIZE_VALUES), 0)), *(of.size_values for of in articles)], axis=1),
                    strict=True,
                )
            ),
            offsets=offsets_of([len(of.sizes) for of in articles]),
            history=dict(
                zip(HISTORY, _columns([entry for one in histories for entry in one], len(HISTORY)), strict=True)
            ),
            history_offsets=offsets_of([len(one) for one in histories]),
            chosen=_chosen(articles, selected),
        ),
        sizes=[of.sizes for of in articles],
    )


def _chosen(articles: Sequence[Article], selected: Sequence[str | None]) -> Indices:
    """Which of its sizes each question has chosen; one that the article does not have is no choice."""
    found = [
        of.sizes.index(size) if size is not None and size in of.sizes else NOT_CHOSEN
        for of, size in zip(articles, selected, strict=True)
    ]
    return np.array(found, dtype=np.int64)


def _history(customer: dict[str, Any] | None, scale: int, brand: str) -> list[tuple[float, ...]]:
    """The customer's entries on the scale, in the order they are kept in, each as `HISTORY`."""
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


def _body(customer: dict[str, Any] | None, scale: int) -> list[float]:
    """`CUSTOMER_BODY` and the size that the body suggests on the scale."""
    if customer is None:
        return [np.nan] * (len(CUSTOMER_BODY) + 1)
    told = [np.nan if (value := customer[name]) is None else value for name in CUSTOMER_BODY]
    return [*told, customer["body_positions"][scale]]


def _columns(rows: Sequence[Any], width: int) -> Floats:
    """Rows (n, width) as columns (width, n), each of them contiguous."""
    return np.ascontiguousarray(np.array(rows, dtype=np.float64).reshape(-1, width).T)
