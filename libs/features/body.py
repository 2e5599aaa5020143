"""What size position a body suggests: a small ridge regression per size scale, learned anew each week.

The regression is history like any other feature: a week's coefficients are fitted on what was known to be kept before
the week began, so an order sees nothing that came after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices, runs
from libs.features.columns import CUSTOMER_BODY
from libs.features.outcomes import FIT, Events
from libs.features.sizes import SCALES

# Below this many kept lines of customers with a known body, a scale gets no regression: its features stay unknown.
_MIN_ROWS = 200
_RIDGE = 1e-3
_WEEK = timedelta(weeks=1)
# Weeks are counted from a Monday, so that they begin at the same moments whatever the data's first day is.
_FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
# Typical value and spread of each measure. Constants, and not the data's own: a standardisation that moved with the
# data would change what the same body looks like from week to week.
_TYPICAL = {
    "height_cm": (170.0, 10.0),
    "weight_kg": (70.0, 15.0),
    "birth_year": (1985.0, 15.0),
    "bust_cm": (92.0, 8.0),
    "underbust_cm": (80.0, 7.0),
}
# Rounded to the grid of the size positions, so that sums of gaps stay exact.
_GRID = 64.0
# What is summed up over a market's purchases is rounded too: the sums are exact then, and the regression is the same
# bit for bit however the purchases were divided up among workers.
_TERM_GRID = 1024.0


@dataclass(frozen=True)
class BodySizes:
    """Coefficients by week and scale, (weeks, scales, terms), NaN where there was too little to learn from."""

    first_week: int
    coefficients: Floats

    def positions(self, bodies: pl.DataFrame, scale: Indices, at: Sequence[datetime] | pl.Series) -> Floats:
        """The size position each body suggests on a scale, as it was known at a moment.

        Shape: bodies (n) with `CUSTOMER_BODY`, scale (n,), at (n) -> (n,); NaN where height and weight are both
        unknown, or nothing had been learned by then.
        """
        week = np.clip(_week(at) - self.first_week, 0, len(self.coefficients) - 1)
        # Term by term, without a matrix product: the result may not depend on who else is in the batch.
        total = np.zeros(len(scale))
        for index, term in enumerate(_terms(bodies)):
            total = total + self.coefficients[week, scale, index] * term
        unknown = bodies["height_cm"].is_null() & bodies["weight_kg"].is_null()
        rounded: Floats = np.where(unknown.to_numpy(), np.nan, np.round(total * _GRID) / _GRID)
        return rounded


@dataclass(frozen=True)
class BodySums:
    """What the regressions are solved from: sums of products over kept purchases, by week and scale.

    `week` and `scale` are (k,), in that order; `products` is (k, terms, terms + 1), each term with each, and with the
    position in the last column.
    """

    week: Indices
    scale: Indices
    products: Floats

    @classmethod
    def of(cls, events: Events, lines: pl.DataFrame) -> "BodySums":
        """Sum up the events of n lines with `scale`, `position` and `CUSTOMER_BODY`."""
        kept = events.signs[:, FIT] != 0
        told = (lines["height_cm"].is_not_null() | lines["weight_kg"].is_not_null()).to_numpy()
        chosen = np.flatnonzero(kept & told[events.line])
        week = _week(events.known_at.gather(chosen))
        scale = lines["scale"].cast(pl.Int64).to_numpy()[events.line[chosen]]
        order = np.lexsort((scale, week))
        week, scale, chosen = week[order], scale[order], chosen[order]
        rows = lines.select(*CUSTOMER_BODY, "position")[events.line[chosen]]
        terms = np.column_stack([*_terms(rows), rows["position"].to_numpy()])
        signed = terms[:, :-1] * events.signs[chosen, FIT][:, None]
        place = week * len(SCALES) + scale
        bounds = runs(place)
        products = [signed[start:end].T @ terms[start:end] for start, end in pairwise(bounds.tolist())]
        shape = (len(products), terms.shape[1] - 1, terms.shape[1])
        starts = bounds[:-1]
        return cls(week[starts], scale[starts], np.array(products, dtype=np.float64).reshape(shape))

    @classmethod
    def merged(cls, parts: Sequence["BodySums"]) -> "BodySums":
        """Add up what was summed up apart."""
        week = np.concatenate([one.week for one in parts])
        scale = np.concatenate([one.scale for one in parts])
        products = np.concatenate([one.products for one in parts])
        order = np.lexsort((scale, week))
        starts = runs((week * len(SCALES) + scale)[order])[:-1]
        summed = np.add.reduceat(products[order], starts, axis=0) if len(starts) else products
        return cls(week[order][starts], scale[order][starts], summed)

    def solve(self, until: datetime) -> BodySizes:
        """Every week's coefficients up to the week of `until`, each from what was known before the week began."""
        last = int(_week([until])[0])
        first = min([*self.week.tolist(), last])
        terms = self.products.shape[1]
        coefficients = np.full((last - first + 1, len(SCALES), terms), np.nan)
        for scale in np.unique(self.scale):
            of_scale = self.scale == scale
            so_far = np.cumsum(self.products[of_scale], axis=0)
            known = np.searchsorted(self.week[of_scale], np.arange(first, last + 1))
            for week, count in enumerate(known):
                if count and so_far[count - 1, 0, 0] >= _MIN_ROWS:
                    gram, moment = so_far[count - 1, :, :terms], so_far[count - 1, :, terms]
                    penalty = _RIDGE * gram[0, 0] * np.eye(terms)
                    penalty[0, 0] = 0.0
                    coefficients[week, scale] = np.linalg.solve(gram + penalty, moment)
        return BodySizes(first, coefficients)


def _week(at: Sequence[datetime] | pl.Series) -> Indices:
    moments = at if isinstance(at, pl.Series) else pl.Series(list(at), dtype=pl.Datetime("us", "UTC"))
    since = (moments - _FIRST_MONDAY).dt.total_microseconds().to_numpy()
    weeks: Indices = since // (_WEEK // timedelta(microseconds=1))
    return weeks


def _terms(bodies: pl.DataFrame) -> list[Floats]:
    """1, each measure, whether it is known, and the curvature in weight, age and height; (n,) each."""
    columns = {name: bodies[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in CUSTOMER_BODY}
    known = {name: ~np.isnan(values) for name, values in columns.items()}
    standard = {
        name: np.where(known[name], (values - _TYPICAL[name][0]) / _TYPICAL[name][1], 0.0)
        for name, values in columns.items()
    }
    height, weight, year = (standard[name] for name in ("height_cm", "weight_kg", "birth_year"))
    terms = [
        np.ones(len(bodies)),
        *standard.values(),
        *(known[name].astype(np.float64) for name in CUSTOMER_BODY),
        weight * weight,
        height * weight,
        year * year,
        weight * year,
    ]
    return [np.round(term * _TERM_GRID) / _TERM_GRID for term in terms]
