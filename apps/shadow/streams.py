"""Values of customers in the order in which they came, and sums of them as they stood at each look.

A window is looked at many times. All looks are computed in one pass: what a row adds to a sum is known when it comes.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.arrays import Flags, Floats, Indices

# New customers per hour are counted over this last part of the time that there is: traffic grows, customers return.
_PRESENT = 0.25


def hours_of(times: pl.Series) -> Floats:
    """Times as hours since 1970, (n,)."""
    return times.dt.epoch("us").to_numpy() / 3.6e9


def looks_of(looks: "list[datetime]") -> Floats:
    """The same of looks, (l,)."""
    return np.array([look.timestamp() / 3600 for look in looks])


@dataclass(frozen=True)
class Stream:
    """n rows in the order of their time: `values`, whose they are (`customers`, 0 is who came first), `at` in hours."""

    values: Floats
    customers: Indices
    at: Floats

    @classmethod
    def of(cls, values: npt.ArrayLike, customers: pl.Series, at: Floats) -> "Stream":
        """Sort rows (n,) by time and number the customers as they appear."""
        order = np.argsort(at, kind="stable")
        _, first, codes = np.unique(customers.to_numpy()[order], return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return cls(np.asarray(values, dtype=np.float64)[order], rank[codes], at[order])

    @cached_property
    def new(self) -> Flags:
        """Which rows are a customer's first, (n,)."""
        return np.equal(self.earlier(np.ones(len(self.values))), 0)

    def earlier(self, amounts: Floats) -> Floats:
        """What each row's own customer had added up before it, (n,)."""
        order = np.argsort(self.customers, kind="stable")
        summed = np.concatenate([[0.0], np.cumsum(amounts[order])])
        starts = np.searchsorted(self.customers[order], self.customers[order])
        found = np.empty(len(amounts))
        found[order] = summed[:-1] - summed[starts]
        return found

    def ends(self, looks: Floats) -> Indices:
        """How many rows had come at each look, (l,)."""
        return np.searchsorted(self.at, looks, side="right")

    def total(self, amounts: npt.ArrayLike, looks: Floats) -> Floats:
        """Amounts (n,) added up as far as each look, (l,)."""
        summed = np.concatenate([[0.0], np.cumsum(amounts)])
        return np.asarray(summed[self.ends(looks)])

    def per_hour(self, looks: Floats) -> Floats:
        """New customers an hour at each look, (l,); 0 of rows that were all there before the first look began."""
        if not len(self.at) or not np.isfinite(self.at[0]):
            return np.zeros(len(looks))
        span = _PRESENT * np.maximum(looks - self.at[0], 1e-3)
        return np.asarray((self.total(self.new, looks) - self.total(self.new, looks - span)) / span)
