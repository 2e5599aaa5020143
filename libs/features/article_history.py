"""What is known of articles: by level, and of every size of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from libs.features.arrays import Floats, Indices, offsets_of, ranges, runs
from libs.features.catalogue import Catalogue
from libs.features.columns import LEVELS
from libs.features.outcomes import FIT, LARGE, SMALL, Events
from libs.features.running_sums import DaySums, RunningSums

# The levels whose sums are a small table. An article's own are as many as its events, so each worker has them of its
# own articles only.
WIDE_LEVELS = LEVELS[1:]


def level_values(events: Events, position: Floats, gap: Floats) -> Floats:
    """What each event adds to the statistics of its article's levels, (e, LEVEL_STATISTICS).

    `position` and `gap` are those of the n lines; a gap is NaN where nothing was expected of the customer.
    """
    small, fit, large = events.signs.T
    at = position[events.line]
    known = ~np.isnan(gap[events.line])
    away = np.where(known, gap[events.line], 0.0)
    kinds = (fit, small, large)
    gaps = (part for kind in kinds for part in (kind * known, kind * away))
    return np.column_stack([small + fit + large, small, large, fit, *(kind * at for kind in kinds), *gaps])


def wide_sums(catalogue: Catalogue, events: Events, article: Indices, values: Floats) -> dict[str, DaySums]:
    """The events' sums by the wide levels' keys and day; `article` is that of the n lines."""
    keys = {level: catalogue.level_keys[level][article[events.line]] for level in WIDE_LEVELS}
    return {level: DaySums.of(key, events.day, values) for level, key in keys.items()}


def level_statistics(
    catalogue: Catalogue, sums: Mapping[str, RunningSums], article: Indices, day: Indices
) -> dict[str, Floats]:
    """By level what was known of each article when a day began; (q, LEVEL_STATISTICS) each."""
    return {level: sums[level].known(catalogue.level_keys[level][article], day) for level in LEVELS}


@dataclass(frozen=True)
class SizeSums:
    """By article and day what was known of each of the article's sizes, in cells: (u) articles and days by sizes.

    `rows` finds the u of them, and row i owns the cells from `cells[i]` on, one a size. `at` is (c, 3), by outcome the
    purchases of exactly that size, `up_to` of that size or a smaller one, `all_sizes` of any.
    """

    rows: RunningSums
    cells: Indices
    at: Floats
    up_to: Floats
    all_sizes: Floats

    @classmethod
    def of(cls, catalogue: Catalogue, events: Events, article: Indices, rank: Indices) -> "SizeSums":
        """Count the events of n lines, whose article and which of its sizes are (n,) each."""
        rows = DaySums.of(article[events.line], events.day, np.zeros((len(events.line), 0)))
        of_row = rows.key
        width = catalogue.size_counts[of_row]
        cells = offsets_of(width)
        running = rows.running()
        cell = cells[running.row(article[events.line], events.day)] + rank[events.line]
        counts: Floats = np.column_stack(
            [np.bincount(cell, signs, minlength=int(cells[-1])) for signs in events.signs.T]
        ).astype(np.float64)
        at = _over_days(counts, of_row, width)
        up_to = _within(np.cumsum(at, axis=0), at, cells)
        last = np.repeat(cells[1:] - 1, width)
        return cls(running, cells[:-1], at, up_to, up_to[last])

    def statistics(self, article: Indices, day: Indices, rank: Indices) -> Floats:
        """What was known of one size of each article when a day began; (q, SIZE_STATISTICS)."""
        row = self.rows.row(article, day)
        found = np.zeros((len(row), 7))
        known = row >= 0
        cell = self.cells[row[known]] + rank[known]
        at, up_to = self.at[cell], self.up_to[cell]
        from_it = self.all_sizes[cell] - up_to + at
        found[known] = np.column_stack(
            [
                from_it[:, SMALL],
                up_to[:, FIT] + up_to[:, LARGE],
                up_to[:, LARGE],
                from_it[:, FIT] + from_it[:, SMALL],
                at[:, SMALL],
                at[:, LARGE],
                at.sum(axis=1),
            ]
        )
        return found


def _over_days(counts: Floats, article: Indices, width: Indices) -> Floats:
    """Add up the cells of each size over the days of its article; rows are in the order of article and day."""
    bounds = runs(article)
    starts, days = bounds[:-1], np.diff(bounds)
    # The same cells in the order of article, size and day, in which a size's days lie next to each other.
    day = np.arange(len(article)) - np.repeat(starts, days)
    first = offsets_of(width)[:-1]
    size = ranges(np.zeros(len(width), np.int64), width)
    place = np.repeat(np.repeat(first[starts], days) + day, width) + size * np.repeat(np.repeat(days, days), width)
    turned = np.empty_like(counts)
    turned[place] = counts
    groups = offsets_of(np.repeat(days, width[starts]))
    added: Floats = _within(np.cumsum(turned, axis=0), turned, groups)[place]
    return added


def _within(total: Floats, values: Floats, groups: Indices) -> Floats:
    """Cumulative sums over everything as cumulative sums within groups; the values are whole, so that is exact."""
    starts, counts = groups[:-1], np.diff(groups)
    starts, counts = starts[counts > 0], counts[counts > 0]
    return total - np.repeat(total[starts] - values[starts], counts, axis=0)
