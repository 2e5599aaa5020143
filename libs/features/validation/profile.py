"""What a market's tables look like in a week: how many rows, how many of them new, nulls, and shares of categories."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from libs.base.identifiers import check_name, week_name
from libs.base.stored_format import decoding, numbered, values_of
from libs.features.schema import Table

_FORMAT = 2
_REMEDY = "Go on with the release that wrote it or a later one; or remove it, and an earlier week is compared with."

# What counts as new: a week, as deliveries and runs are weekly.
RECENT = timedelta(days=7)


@dataclass(frozen=True)
class TableProfile:
    """One table: its rows, those of the last seven days, and by column the nulls of all rows.

    `categories` holds by column and value all rows of a table that is restated, and the recent ones of one that grows.
    """

    rows: int = 0
    recent: int = 0
    nulls: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Table, rows: pl.DataFrame, as_of: datetime) -> "TableProfile":
        """The profile of the rows that came about before `as_of`."""
        rows = rows.filter(pl.col(table.at) < as_of)
        recent = rows.filter(pl.col(table.at) >= as_of - RECENT)
        counted = rows if table.restated else recent
        optional = [column.name for column in table.schema if column.nullable]
        return cls(
            len(rows),
            len(recent),
            {name: rows[name].null_count() for name in optional},
            {name: {str(value): count for value, count in _counts(counted[name])} for name in table.watched},
        )

    @classmethod
    def merged(cls, parts: Iterable["TableProfile"]) -> "TableProfile":
        """The profile of all rows, from those of disjoint parts."""
        rows, recent, nulls, categories = 0, 0, Counter[str](), dict[str, Counter[str]]()
        for part in parts:
            rows, recent = rows + part.rows, recent + part.recent
            nulls.update(part.nulls)
            for name, counts in part.categories.items():
                categories.setdefault(name, Counter()).update(counts)
        return cls(rows, recent, dict(nulls), {name: dict(counts) for name, counts in categories.items()})


@dataclass(frozen=True)
class Profile:
    """A market's week: its tables by name, and the share of returns whose order line is not there."""

    market: str
    as_of: datetime
    tables: Mapping[str, TableProfile]
    unknown_references: float

    def save(self, folder: Path) -> None:
        """Keep it, for the weeks to come to be compared with."""
        path = _path(folder, self.market, self.as_of)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        stored = numbered(asdict(self), _FORMAT)
        draft.write_text(json.dumps(stored, default=datetime.isoformat, indent=1), encoding="utf-8")
        draft.replace(path)

    @classmethod
    def before(cls, folder: Path, market: str, as_of: datetime) -> "Profile | None":
        """The latest that was kept of a week before this one.

        Raises:
            DataError: a newer release kept it, or it is damaged.
        """
        # A name sorts as the time it tells.
        earlier = [path for path in folder.glob(f"{check_name(market)}/*.json") if path.stem < week_name(as_of)]
        if not earlier:
            return None
        latest = max(earlier)
        with decoding(f"{latest} is no profile", _REMEDY):
            values = values_of(json.loads(latest.read_bytes()), _FORMAT, str(latest), _REMEDY)
            tables = {name: TableProfile(**table) for name, table in values["tables"].items()}
            return cls(market, datetime.fromisoformat(values["as_of"]), tables, values["unknown_references"])


def _path(folder: Path, market: str, as_of: datetime) -> Path:
    return folder / check_name(market) / f"{week_name(as_of)}.json"


def _counts(values: pl.Series) -> Iterable[tuple[object, int]]:
    return values.value_counts(sort=True).iter_rows()
