"""What size position a body suggests: a small ridge regression per size scale, learned anew each week.

The regression is history like any other feature: a week's coefficients are fitted on what was known to be kept before
the week began, so an order sees nothing that came after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.columns import CUSTOMER_BODY
from libs.features.sizes import SCALES

Floats = npt.NDArray[np.float64]

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


@dataclass(frozen=True)
class BodySizes:
    """Coefficients by week and scale, (weeks, scales, terms), NaN where there was too little to learn from."""

    first_week: int
    coefficients: Floats

    def positions(
        self, bodies: pl.DataFrame, scale: npt.NDArray[np.int64], at: Sequence[datetime] | pl.Series
    ) -> Floats:
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


def fit_body_sizes(events: pl.DataFrame, until: datetime) -> BodySizes:
    """Fit every week's coefficients up to the week of `until`.

    Args:
        events: outcome events, sorted by `known_at`, with `fit`, `position`, `scale` and `CUSTOMER_BODY`.
    """
    known = events.filter(
        (pl.col("fit") != 0) & (pl.col("height_cm").is_not_null() | pl.col("weight_kg").is_not_null())
    )
    last = int(_week([until])[0])
    weeks = _week(known["known_at"]) if len(known) else np.array([last])
    first = min(int(weeks[0]), last)
    terms = np.column_stack(_terms(known))
    width = terms.shape[1]
    coefficients = np.full((last - first + 1, len(SCALES), width), np.nan)
    weight, position = known["fit"].to_numpy(), known["position"].to_numpy()
    scales = known["scale"].to_numpy()
    for scale in np.unique(scales):
        of_scale = scales == scale
        gram, moment = np.zeros((width, width)), np.zeros(width)
        starts = np.searchsorted(weeks[of_scale], np.arange(first, last + 1))
        rows, signs, kept = terms[of_scale], weight[of_scale], position[of_scale]
        begin = 0
        for week, end in enumerate(starts):
            block = rows[begin:end] * signs[begin:end, None]
            gram += block.T @ rows[begin:end]
            moment += block.T @ kept[begin:end]
            begin = end
            if gram[0, 0] >= _MIN_ROWS:
                penalty = _RIDGE * gram[0, 0] * np.eye(width)
                penalty[0, 0] = 0.0
                coefficients[week, scale] = np.linalg.solve(gram + penalty, moment)
    return BodySizes(first, coefficients)


def _week(at: Sequence[datetime] | pl.Series) -> npt.NDArray[np.int64]:
    moments = at if isinstance(at, pl.Series) else pl.Series(list(at), dtype=pl.Datetime("us", "UTC"))
    since = (moments - _FIRST_MONDAY).dt.total_microseconds().to_numpy()
    weeks: npt.NDArray[np.int64] = since // (_WEEK // timedelta(microseconds=1))
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
    return [
        np.ones(len(bodies)),
        *standard.values(),
        *(known[name].astype(np.float64) for name in CUSTOMER_BODY),
        weight * weight,
        height * weight,
        year * year,
        weight * year,
    ]
