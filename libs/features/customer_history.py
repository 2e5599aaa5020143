"""A customer's own history, as a list of entries: what came of each size position and brand, on each scale."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from libs.features.arrays import Floats, Indices, lists, offsets_of, ranges, runs
from libs.features.columns import HISTORY_COUNTS, HISTORY_KEY
from libs.features.outcomes import OUTCOMES, Events
from libs.features.sizes import SCALES

# Of HISTORY_COUNTS, the column of `Events.signs`.
_SIGN_OF_COUNT = [OUTCOMES.index(outcome) for outcome in ("fit", "small", "large")]
# Positions are multiples of 1/64 below 1,024, and a market has fewer than 65,536 brands.
_PER_POSITION, _POSITION_BITS, _BRAND_BITS = 64.0, 16, 16
# So many events are looked at at once: every line looks at all events of its customer on its scale, and a customer who
# orders for a village has many of both.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Histories:
    """The events of c customers in the order of customer, scale, position and brand.

    `starts` is (c * scales + 1,): the events of customer i on scale s begin at `starts[i * scales + s]`. The others are
    (e,), `counts` is (e, 3) in the order of `HISTORY_COUNTS`.
    """

    starts: Indices
    scale: Indices
    position: Floats
    brand: Indices
    day: Indices
    counts: Floats

    @classmethod
    def of(
        cls, events: Events, customer: Indices, scale: Indices, position: Floats, brand: Indices, customers: int
    ) -> "Histories":
        """Put the events of n lines, each (n,), in order; customers are numbered from 0."""
        line = events.line
        owner = customer[line] * len(SCALES) + scale[line]
        # Owner, position and brand in one number, since one sort is faster than three.
        place = (owner << _POSITION_BITS) + (position[line] * _PER_POSITION).astype(np.int64)
        order = np.argsort((place << _BRAND_BITS) + brand[line], kind="stable")
        line = line[order]
        return cls(
            starts=offsets_of(np.bincount(owner, minlength=customers * len(SCALES))),
            scale=scale[line],
            position=position[line],
            brand=brand[line],
            day=events.day[order],
            counts=events.signs[order][:, _SIGN_OF_COUNT],
        )

    def on_scale(self, customer: Indices, scale: Indices, day: Indices, brands: pl.Series) -> pl.DataFrame:
        """Each customer's entries on a scale as they were known when a day began, in lists; (q, 6)."""
        return self._listed(customer * len(SCALES) + scale, 1, day, brands)

    def on_all_scales(self, customer: Indices, day: Indices, brands: pl.Series) -> pl.DataFrame:
        """Each customer's entries on all scales as they were known when a day began, in lists; (q, 6)."""
        return self._listed(customer * len(SCALES), len(SCALES), day, brands)

    def _listed(self, place: Indices, width: int, day: Indices, brands: pl.Series) -> pl.DataFrame:
        parts = [self._entries(query, event) for query, event in self._known(place, width, day)]
        query = np.concatenate([np.empty(0, np.int64), *(part[0] for part in parts)])
        event = np.concatenate([np.empty(0, np.int64), *(part[1] for part in parts)])
        counts = np.concatenate([np.empty((0, len(HISTORY_COUNTS))), *(part[2] for part in parts)])
        offsets = offsets_of(np.bincount(query, minlength=len(place)))
        values = (
            self.scale[event],
            self.position[event],
            brands.gather(self.brand[event]),
            *(np.ascontiguousarray(column) for column in counts.T),
        )
        return pl.DataFrame(
            {name: lists(offsets, value) for name, value in zip((*HISTORY_KEY, *HISTORY_COUNTS), values, strict=True)}
        )

    def _entries(self, query: Indices, event: Indices) -> tuple[Indices, Indices, Floats]:
        """Add up the events of one entry, and drop entries that late returns took back altogether."""
        key = np.stack([query, self.scale[event], self.brand[event]])
        position = self.position[event]
        new = np.ones(len(query), np.bool_)
        new[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0) | (position[1:] != position[:-1])
        first = np.flatnonzero(new)
        if not len(first):
            return query, event, np.empty((0, len(HISTORY_COUNTS)))
        counts = np.add.reduceat(self.counts[event], first, axis=0)
        left = (counts != 0).any(axis=1)
        return query[first[left]], event[first[left]], counts[left]

    def _known(self, place: Indices, width: int, day: Indices) -> Iterator[tuple[Indices, Indices]]:
        """Pairs of a query and an event that was known to it, in the order of both, so many at a time."""
        begin, counts = self.starts[place], self.starts[place + width] - self.starts[place]
        chunk = np.cumsum(counts) // _CHUNK
        for start, end in pairwise(runs(chunk).tolist()):
            event = ranges(begin[start:end], counts[start:end])
            query = np.repeat(np.arange(start, end), counts[start:end])
            known = self.day[event] <= day[query]
            yield query[known], event[known]
