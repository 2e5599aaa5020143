"""What size position a body suggests: one small ridge regression per size scale."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from libs.features.assembly import Floats
from libs.features.columns import CUSTOMER_BODY
from libs.features.sizes import SCALES

# Below this many kept lines of customers with a known body, a scale gets no regression: the features stay unknown.
_MIN_ROWS = 200
_RIDGE = 1e-3


@dataclass(frozen=True)
class BodySize:
    """Per scale an intercept, then mean, spread and weight of each of `CUSTOMER_BODY`; no entry: not known."""

    intercepts: tuple[float | None, ...]
    means: tuple[tuple[float, ...], ...]
    spreads: tuple[tuple[float, ...], ...]
    weights: tuple[tuple[float, ...], ...]

    def position(self, values: Mapping[str, Floats]) -> Floats:
        """The suggested size position of n questions, (n,); NaN where height and weight are both unknown.

        Element by element, without a matrix product: the result may not depend on who else is in the batch.
        """
        scale = values["scale"].astype(np.int64)
        intercepts = np.array([np.nan if value is None else value for value in self.intercepts])
        total = intercepts[scale]
        for index, name in enumerate(CUSTOMER_BODY):
            mean, spread, weight = (np.array(part)[scale, index] for part in (self.means, self.spreads, self.weights))
            total = total + weight * (np.where(np.isnan(values[name]), mean, values[name]) - mean) / spread
        unknown = np.isnan(values["height_cm"]) & np.isnan(values["weight_kg"])
        return np.where(unknown, np.nan, total)


def fit_body_size(values: Mapping[str, Floats], positions: Floats) -> BodySize:
    """Fit on kept lines: (n,) columns of body and scale, (n,) kept positions."""
    fits = [_fit_scale(values, positions, index) for index in range(len(SCALES))]
    intercepts, means, spreads, weights = zip(*fits, strict=True)
    return BodySize(intercepts, means, spreads, weights)


_Fit = tuple[float | None, tuple[float, ...], tuple[float, ...], tuple[float, ...]]


def _fit_scale(values: Mapping[str, Floats], positions: Floats, scale: int) -> _Fit:
    body = np.column_stack([values[name] for name in CUSTOMER_BODY])
    rows = (values["scale"] == scale) & ~np.isnan(body[:, :2]).all(axis=1)
    width = len(CUSTOMER_BODY)
    if rows.sum() < _MIN_ROWS:
        return None, (0.0,) * width, (1.0,) * width, (0.0,) * width
    body, kept = body[rows], positions[rows]
    known = ~np.isnan(body)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, body, 0.0).sum(axis=0) / counts
    centred = np.where(known, body - means, 0.0)
    spreads = np.sqrt((centred**2).sum(axis=0) / counts)
    spreads[spreads == 0] = 1.0
    standard = centred / spreads
    gram = standard.T @ standard + _RIDGE * len(kept) * np.eye(width)
    weights = np.linalg.solve(gram, standard.T @ (kept - kept.mean()))
    return float(kept.mean()), tuple(means.tolist()), tuple(spreads.tolist()), tuple(weights.tolist())
