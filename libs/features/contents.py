"""What a side of a market holds: the ids of its rows, each with a hash of its features."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from libs.features.sides import Sides, place

_SCHEMA = pl.Schema({"id": pl.String(), "hash": pl.UInt64()})


@dataclass(frozen=True)
class Contents:
    """The rows of a side, by kind of entity. They are kept in files, named by the store itself: files that are not of
    this store, or of a refresh that did not end, are not believed.
    """

    rows: Mapping[str, pl.DataFrame]

    @classmethod
    def load(cls, home: Path, sides: Sides, market: str, side: str, kinds: Mapping[str, object]) -> "Contents | None":
        """What the side holds; None if that is not known."""
        name = sides.contents(market, side)
        if name is None:
            return cls({kind: pl.DataFrame(schema=_SCHEMA) for kind in kinds})
        files = {kind: _folder(home, market, side) / f"{name}.{kind}.arrow" for kind in kinds}
        if not all(path.exists() for path in files.values()):
            return None
        rows = {kind: pl.read_ipc(path) for kind, path in files.items()}
        # Another release's are not believed either: all is written again, and no refresh stops for them.
        return cls(rows) if all(one.schema == _SCHEMA for one in rows.values()) else None

    def save(self, home: Path, sides: Sides, market: str, side: str) -> None:
        """Keep what the side holds now."""
        folder, name = _folder(home, market, side), secrets.token_hex(8)
        folder.mkdir(parents=True, exist_ok=True)
        before = list(folder.iterdir())
        for kind, rows in self.rows.items():
            rows.write_ipc(folder / f"{name}.{kind}.arrow")
        sides.set_contents(market, side, name)
        for path in before:
            path.unlink()


def hashed(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Each row's id, and the hash of its features; (n, id and hash)."""
    return pl.DataFrame({"id": rows[key], "hash": rows.hash_rows()}, schema=_SCHEMA)


def changed(now: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """Which rows are new or have other features than before."""
    return now if before is None else now.join(before, on=["id", "hash"], how="anti")


def gone(now: pl.DataFrame, before: pl.DataFrame) -> list[str]:
    """The ids that are no more."""
    return before.join(now, on="id", how="anti")["id"].to_list()


def _folder(home: Path, market: str, side: str) -> Path:
    return home / "online" / place(market, side)
