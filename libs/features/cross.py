"""Every customer with every article: the questions of a mailing or a back-test, laid out without a loop over pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from libs.features.arrays import Floats, Indices, offsets_of
from libs.features.assembly import NOT_CHOSEN, Requests
from libs.features.columns import CUSTOMER_BODY
from libs.features.sizes import SCALES
from libs.features.snapshot import ARTICLE_VALUES, SIZE_VALUES, Article, OnlineRow

_COUNTS = ("history_position", "history_kept", "history_small", "history_large")


@dataclass(frozen=True)
class Articles:
    """m articles as arrays, made once for all the customers they are crossed with."""

    articles: Sequence[Article]
    values: Floats
    sizes: Floats
    size_counts: Indices
    scales: Indices
    brands: npt.NDArray[np.str_]

    @classmethod
    def of(cls, articles: Sequence[Article]) -> "Articles":
        """Lay the articles out; there must be one at least."""
        return cls(
            articles=articles,
            values=np.stack([one.values for one in articles], axis=1),
            sizes=np.concatenate([one.size_values for one in articles], axis=1),
            size_counts=np.array([len(one.sizes) for one in articles], dtype=np.int64),
            scales=np.array([one.scale for one in articles], dtype=np.int64),
            brands=np.array([one.brand for one in articles], dtype=np.str_),
        )


def cross(customers: Sequence[OnlineRow | None], articles: Articles) -> Requests:
    """The questions of n customers about m articles, (n * m,), all articles of the first customer first.

    They are the same, bit for bit, as those that a live lookup lays out for each pair; nothing is chosen.
    """
    n, m = len(customers), len(articles.articles)
    customer, article = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    scale = articles.scales[article]
    rows = [row.values if row is not None else None for row in customers]
    bodies = np.array([_body(row) for row in rows], dtype=np.float64).reshape(n, len(CUSTOMER_BODY) + len(SCALES))
    values = dict(zip(ARTICLE_VALUES, np.tile(articles.values, n), strict=True))
    values |= {name: bodies[customer, index] for index, name in enumerate(CUSTOMER_BODY)}
    values["body_position"] = bodies[customer, len(CUSTOMER_BODY) + scale]
    history, history_offsets = _histories(rows, customer, scale, articles.brands[article])
    return Requests(
        values=values,
        size_values=dict(zip(SIZE_VALUES, np.tile(articles.sizes, n), strict=True)),
        offsets=offsets_of(np.tile(articles.size_counts, n)),
        history=history,
        history_offsets=history_offsets,
        chosen=np.full(n * m, NOT_CHOSEN, dtype=np.int64),
    )


def _body(row: dict[str, Any] | None) -> list[float]:
    """`CUSTOMER_BODY`, and the size that the body suggests on every scale."""
    if row is None:
        return [np.nan] * (len(CUSTOMER_BODY) + len(SCALES))
    return [*(np.nan if row[name] is None else row[name] for name in CUSTOMER_BODY), *row["body_positions"]]


def _histories(
    rows: Sequence[dict[str, Any] | None], customer: Indices, scale: Indices, brand: npt.NDArray[np.str_]
) -> tuple[dict[str, Floats], Indices]:
    """The entries of each pair's customer on its article's scale, and which of them are of its brand.

    A customer's entries are kept in the order of scales, so those of one scale lie next to each other.
    """
    n = len(rows)
    owner = np.repeat(np.arange(n), [len(row["history_scale"]) if row else 0 for row in rows])
    at = _flat(rows, "history_scale", np.int64)
    starts = np.searchsorted(owner * len(SCALES) + at, np.arange(n * len(SCALES) + 1))
    place = customer * len(SCALES) + scale
    counts = starts[place + 1] - starts[place]
    offsets = offsets_of(counts)
    entry = np.arange(offsets[-1]) + np.repeat(starts[place] - offsets[:-1], counts)
    history = {name.removeprefix("history_"): _flat(rows, name, np.float64)[entry] for name in _COUNTS}
    same_brand = _flat(rows, "history_brand", np.str_)[entry] == np.repeat(brand, counts)
    return history | {"same_brand": same_brand.astype(np.float64)}, offsets


def _flat(rows: Sequence[dict[str, Any] | None], name: str, dtype: Any) -> npt.NDArray[Any]:
    return np.array([value for row in rows if row for value in row[name]], dtype=dtype)
