"""Sums of events by key and day: what was known of a key when a day began.

History is read by day, in UTC: an order sees what was known before its own day began. The moment would be no better,
since the online store is refreshed once a week, and sums by moment are as many rows as there are events, where the sums
by day of a whole market's brands, categories and scales are a table that every worker can hold.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices, runs

# A key and a day in one number, so that both are found in one search. 2 ** 20 days are 2,800 years.
_DAY_BITS = 20
# A day after all events: what is known now.
NOW = (1 << _DAY_BITS) - 1
_DAY_US = 86_400_000_000


def day_of(moments: pl.Series) -> Indices:
    """The day of each moment, counted from 1970 in UTC; (n,), nulls are not allowed."""
    days: Indices = moments.dt.timestamp("us").to_numpy() // _DAY_US
    return days


@dataclass(frozen=True)
class DaySums:
    """The sums of the events of each key and day that has any: k rows in the order of key and day.

    `place` is (k,), key and day in one number; `values` is (k, v).
    """

    place: Indices
    values: Floats

    @classmethod
    def of(cls, key: Indices, day: Indices, values: Floats) -> "DaySums":
        """Add n events up; `day` is the first day that begins with them known. Shapes: (n,), (n,), (n, v)."""
        return cls._summed((key << _DAY_BITS) | day, values)

    @classmethod
    def merged(cls, parts: "list[DaySums]") -> "DaySums":
        """Add up what was added up apart."""
        return cls._summed(np.concatenate([one.place for one in parts]), np.concatenate([one.values for one in parts]))

    @property
    def key(self) -> Indices:
        """The key of each row; (k,)."""
        return self.place >> _DAY_BITS

    @classmethod
    def _summed(cls, place: Indices, values: Floats) -> "DaySums":
        order = np.argsort(place, kind="stable")
        place = place[order]
        first = runs(place)[:-1]
        summed = np.add.reduceat(values[order], first, axis=0) if len(first) else values
        return cls(place[first], summed)

    def running(self) -> "RunningSums":
        """The sums of each key up to and with each of its days.

        They are cut out of one cumulative sum over all keys, which takes nothing from them: every value is a multiple
        of a power of two, and adds up exactly.
        """
        total = np.cumsum(self.values, axis=0)
        bounds = runs(self.key)
        before = total[bounds[:-1]] - self.values[bounds[:-1]]
        of_key = total - np.repeat(before, np.diff(bounds), axis=0)
        return RunningSums(self.place, np.concatenate([of_key, np.zeros((1, self.values.shape[1]))]))


@dataclass(frozen=True)
class RunningSums:
    """The sums of each key as they were known from some day on: `DaySums` added up over the days.

    `place` is (k,), `values` is (k + 1, v): the last row is what is known of a key without events, nothing.
    """

    place: Indices
    values: Floats

    def row(self, key: Indices, day: Indices) -> Indices:
        """The row of `values` that holds what was known of each key when its day began; (q,), -1 for nothing."""
        if not len(self.place):
            return np.full(len(key), -1)
        row = np.searchsorted(self.place, (key << _DAY_BITS) | day, side="right") - 1
        return np.where(self.place[row] >> _DAY_BITS == key, row, -1)

    def known(self, key: Indices, day: Indices) -> Floats:
        """The sums of each key as they were known when its day began; (q, v)."""
        known: Floats = self.values[self.row(key, day)]
        return known
