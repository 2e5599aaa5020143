"""How the model's inputs and answers were distributed when it was trained, and how far others are from that.

Kept with the package, so that a later week and the live traffic can be held against it. The rows are what the model
sees: each candidate size of each question, once for each person the account buys for, with no size chosen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from libs.base.stored_format import decoding, numbered, values_of
from libs.features.arrays import Floats, Indices
from libs.features.assembly import FEATURES, Matrix, Requests, assemble
from libs.features.validation.stability import stability_index
from libs.models.lines import named_size
from libs.models.package import Package

DISTRIBUTIONS_FILE = "distributions.json"
_FORMAT = 2
PREDICTION = "confidence"
_BINS = 10


@dataclass(frozen=True)
class Distributions:
    """By feature, and for the confidence of the size named: the edges between bins, (b,), and counts, (b + 2,).

    The last bin holds what is not known; the edges are at the deciles, as far as they differ.
    """

    edges: Mapping[str, Floats]
    counts: Mapping[str, Indices]

    @classmethod
    def of(cls, package: Package, requests: Requests) -> "Distributions":
        """The distributions of these questions."""
        columns = _columns(package, requests)
        edges = {name: _edges(column) for name, column in columns.items()}
        return cls(edges, {name: _counted(column, edges[name]) for name, column in columns.items()})

    def count(self, package: Package, requests: Requests) -> dict[str, Indices]:
        """Other questions in the same bins."""
        columns = _columns(package, requests)
        return {name: _counted(column, self.edges[name]) for name, column in columns.items()}

    def shifts(self, counts: Mapping[str, Indices]) -> dict[str, float]:
        """By name the stability index of these counts, the furthest first; what has no count is left out."""
        found = {name: stability_index(self.counts[name], one) for name, one in counts.items() if one.sum()}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def save(self, folder: Path) -> None:
        """Write the file beside the package's."""
        values = {
            name: {"edges": self.edges[name].tolist(), "counts": self.counts[name].tolist()} for name in self.edges
        }
        (folder / DISTRIBUTIONS_FILE).write_text(json.dumps(numbered(values, _FORMAT)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Distributions | None":
        """Those of a package; None of one that was made before they were kept, or for other features.

        Raises:
            DataError: the file is damaged, or of a newer release.
        """
        path = folder / DISTRIBUTIONS_FILE
        if not path.exists():
            return None
        with decoding(f"{path} is damaged"):
            values = values_of(json.loads(path.read_bytes()), _FORMAT, str(path))
            if set(values) != {*FEATURES, PREDICTION}:
                return None
            edges = {name: np.array(one["edges"], dtype=np.float64) for name, one in values.items()}
            return cls(edges, {name: np.array(one["counts"], dtype=np.int64) for name, one in values.items()})


def _columns(package: Package, requests: Requests) -> dict[str, Floats]:
    asked = requests.without_choice()
    rows: Matrix = assemble(asked).rows
    columns: dict[str, Floats] = {name: rows[:, index].astype(np.float64) for index, name in enumerate(FEATURES)}
    return columns | {PREDICTION: named_size(package.predict(asked), asked.offsets)[1]}


def _edges(column: Floats) -> Floats:
    known = column[np.isfinite(column)]
    if not len(known):
        return np.empty(0)
    # Halfway down to the next lower value: on a value that many rows share, they would all change bins with its least
    # change, as the rate of a category does every week.
    values = np.unique(known)
    at = np.unique(np.searchsorted(values, np.quantile(known, np.arange(1, _BINS) / _BINS)))
    at = at[at > 0]
    edges: Floats = (values[at - 1] + values[at]) / 2
    return edges


def _counted(column: Floats, edges: Floats) -> Indices:
    known = np.isfinite(column)
    bins = np.where(known, np.searchsorted(edges, column, side="right"), len(edges) + 1)
    return np.bincount(bins, minlength=len(edges) + 2)
