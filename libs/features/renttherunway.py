"""Import the public RentTheRunway file as a market.

One JSON object a line, in the raw schema of the published file (Misra, Wan, McAuley, "Decomposing fit semantics for
product size recommendation in metric spaces", RecSys 2018). What is written after the garment was worn (rating, review)
is not imported: it does not exist when a size is asked for.
"""

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import polars as pl

from libs.base.errors import DataError
from libs.features.columns import CUSTOMER_BODY
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS

_REASON = {"small": "too_small", "large": "too_large", "fit": None}
_REQUIRED = ("fit", "user_id", "item_id", "category", "size", "review_date")
_HEIGHT = re.compile(r"""^\s*(\d)'\s*(\d{1,2})"\s*$""")
_BUST = re.compile(r"^\s*(\d{2})([a-z+/]{1,5})\s*$")
# By how many inches the bust is wider than the band; US cups.
_CUPS = {"aa": 0.5, "a": 1, "b": 2, "c": 3, "d": 4, "d+": 4.5, "dd": 5, "dd/e": 5, "e": 5, "ddd/e": 6, "f": 6}
_CUPS |= {"g": 7, "h": 8, "i": 9, "j": 10}
_WEIGHT = re.compile(r"^\s*(\d{2,3})\s*lbs\s*$")
# Longer numbers are no sizes or ages, and Python refuses to read those of thousands of digits.
_WHOLE = re.compile(r"[0-9]{1,3}")
_CM_PER_INCH, _KG_PER_POUND = 2.54, 0.45359237
# The file's ages run from 0 to 117; outside these they are typing errors.
_AGES = range(14, 91)
# The file has no brands; one for all makes the brand level fall back on the category's.
_BRAND = "renttherunway"
_PART = "renttherunway"
_NAMED_LINES = 5


@dataclass
class ImportReport:
    """What became of the file's lines: all are counted, and of the malformed ones the first few are named."""

    lines: int = 0
    imported: int = 0
    malformed: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[int]] = field(default_factory=dict)

    def reject(self, number: int, reason: str) -> None:
        """Count a malformed line."""
        self.malformed[reason] += 1
        self.examples.setdefault(reason, [])
        if len(self.examples[reason]) < _NAMED_LINES:
            self.examples[reason].append(number)


@dataclass(frozen=True)
class Rental:
    """One line of the file. `line_id` counts over all files of an import; `reason` is that of a misfit."""

    line_id: str
    user: str
    item: str
    category: str
    size: int
    at: datetime
    reason: str | None
    height_cm: float | None
    weight_kg: float | None
    birth_year: int | None
    bust_cm: float | None
    underbust_cm: float | None


class _MalformedError(Exception):
    """A line that cannot be imported; the message is the reason it is counted under."""


def import_renttherunway(paths: Sequence[Path], lake: Lake, market: str) -> ImportReport:
    """Write the files' rentals as the market's four tables, replacing what an earlier import wrote.

    Raises:
        DataError: a file is absent, is not a gzip file by its name, or has no line that can be imported.
    """
    rentals, report = read_rentals(paths)
    write_rentals(rentals, lake, market)
    return report


def write_rentals(rentals: Sequence[Rental], lake: Lake, market: str, asking: Sequence[Rental] = ()) -> None:
    """Write rentals as the market's four tables, replacing what an earlier import wrote.

    Args:
        asking: rentals of which nothing but the customer and the article becomes known, as of somebody who asks for a
            size: no order and no outcome of theirs is written.
    """
    frame = _frame(rentals)
    newest = pl.lit(frame["at"].max())
    known = pl.concat([frame, _frame(asking).with_columns(pl.min_horizontal("at", newest))]) if asking else frame
    lake.write_frame(CUSTOMERS, market, "all", _customers(known))
    lake.write_frame(ARTICLES, market, "all", _articles(known))
    lake.write_frame(ORDERS, market, _PART, _orders(frame))
    lake.write_frame(RETURNS, market, _PART, _returns(frame))


def read_rentals(paths: Sequence[Path]) -> tuple[list[Rental], ImportReport]:
    """Every line that can be read; equal lines are rentals of their own.

    Raises:
        DataError: as `import_renttherunway`.
    """
    report = ImportReport()
    rentals: list[Rental] = []
    for path in paths:
        before = len(rentals)
        rentals += _read(path, report)
        if len(rentals) == before:
            raise DataError(
                f"{path} has no line of the RentTheRunway schema among its {report.lines}: {dict(report.malformed)}"
            )
    report.imported = len(rentals)
    return rentals, report


def _frame(rentals: Sequence[Rental]) -> pl.DataFrame:
    # Over all rows: whole columns may be unknown at first.
    frame = pl.DataFrame(rentals, infer_schema_length=None)
    body = [pl.col(name).cast(pl.Float64) for name in CUSTOMER_BODY]
    return frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")), pl.col("reason").cast(pl.String), *body)


def _read(path: Path, report: ImportReport) -> Iterator[Rental]:
    try:
        with _open(path) as file:
            for line in file:
                report.lines += 1
                number = report.lines
                try:
                    yield _parse(number, line)
                except _MalformedError as error:
                    report.reject(number, str(error))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read after line {report.lines}: {error}") from error


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _parse(number: int, line: bytes) -> Rental:
    try:
        values = json.loads(line)
    # RecursionError: a line of brackets only; it is as little JSON as any other.
    except (ValueError, RecursionError):
        raise _MalformedError("not JSON") from None
    if not isinstance(values, dict):
        raise _MalformedError("not an object")
    for name in _REQUIRED:
        if values.get(name) in (None, ""):
            raise _MalformedError(f"{name} is missing")
    fit = _text(values, "fit")
    if fit not in _REASON:
        raise _MalformedError("fit is none of small, fit, large")
    at = _date(values["review_date"])
    bust_cm, underbust_cm = _bust(values.get("bust size"))
    return Rental(
        line_id=f"rtr-{number:09d}",
        user=_text(values, "user_id"),
        item=_text(values, "item_id"),
        category=_text(values, "category"),
        size=_size(values["size"]),
        at=at,
        reason=_REASON[fit],
        height_cm=_height(values.get("height")),
        weight_kg=_weight(values.get("weight")),
        birth_year=_birth_year(values.get("age"), at),
        bust_cm=bust_cm,
        underbust_cm=underbust_cm,
    )


def _text(values: dict[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _MalformedError(f"{name} is no text")
    try:
        # Arrow stores UTF-8, and JSON can spell half a character.
        return str(value).encode().decode()
    except ValueError:
        raise _MalformedError(f"{name} is no text") from None


def _date(text: Any) -> datetime:
    try:
        return datetime.strptime(str(text), "%B %d, %Y").replace(tzinfo=UTC)
    except ValueError:
        raise _MalformedError("review_date is no date like April 20, 2016") from None


def _size(value: Any) -> int:
    if isinstance(value, bool) or not _WHOLE.fullmatch(str(value)) or int(value) > 100:
        raise _MalformedError("size is no whole number from 0 to 100")
    return int(value)


def _height(text: Any) -> float | None:
    match = _HEIGHT.match(text) if isinstance(text, str) else None
    height_cm = round((int(match[1]) * 12 + int(match[2])) * _CM_PER_INCH, 1) if match else None
    return None if height_cm is None or _beyond("height_cm", height_cm) else height_cm


def _weight(text: Any) -> float | None:
    match = _WEIGHT.match(text) if isinstance(text, str) else None
    weight_kg = round(int(match[1]) * _KG_PER_POUND, 1) if match else None
    return None if weight_kg is None or _beyond("weight_kg", weight_kg) else weight_kg


def _bust(text: Any) -> tuple[float | None, float | None]:
    """Bust and underbust; both unknown when the band or the cup is none that is made."""
    match = _BUST.match(text) if isinstance(text, str) else None
    if match is None or match[2] not in _CUPS:
        return None, None
    bust_cm, underbust_cm = ((int(match[1]) + inches) * _CM_PER_INCH for inches in (_CUPS[match[2]], 0))
    if _beyond("bust_cm", bust_cm) or _beyond("underbust_cm", underbust_cm):
        return None, None
    return round(bust_cm, 1), round(underbust_cm, 1)


def _birth_year(age: Any, at: datetime) -> int | None:
    if not isinstance(age, str | int) or not _WHOLE.fullmatch(str(age)) or int(age) not in _AGES:
        return None
    return None if _beyond("birth_year", at.year - int(age)) else at.year - int(age)


def _beyond(column: str, value: float) -> bool:
    """Whether the customers table would refuse this: one typing error may not refuse the whole import."""
    low, high = CUSTOMERS.bounds[column]
    return not low <= value <= high


def _customers(rentals: pl.DataFrame) -> pl.DataFrame:
    """One row per user; where rentals disagree about the body, the latest that says anything."""
    newest = [pl.col(name).drop_nulls().last().alias(name) for name in CUSTOMER_BODY]
    return (
        rentals.sort("at", "line_id")
        .group_by("user", maintain_order=True)
        .agg(pl.col("at").min().alias("registered_at"), *newest)
        .with_columns(pl.col("birth_year").cast(pl.Int32), gender=pl.lit("women"))
        .rename({"user": "customer_id"})
    )


def _articles(rentals: pl.DataFrame) -> pl.DataFrame:
    """One row per item, with the sizes that were rented of it."""
    return (
        rentals.sort("at", "line_id")
        .group_by("item", maintain_order=True)
        .agg(
            pl.col("category").first(),
            pl.col("size").unique().sort().cast(pl.String).alias("sizes"),
            pl.col("at").min().alias("launched_at"),
        )
        .with_columns(
            brand=pl.lit(_BRAND),
            division=pl.lit("apparel"),
            gender=pl.lit("women"),
            size_system=pl.lit("US"),
            online=pl.lit(True),
        )
        .rename({"item": "article_id"})
    )


def _orders(rentals: pl.DataFrame) -> pl.DataFrame:
    return rentals.select(
        "line_id",
        pl.col("line_id").alias("order_id"),
        pl.col("user").alias("customer_id"),
        pl.col("item").alias("article_id"),
        pl.col("size").cast(pl.String),
        pl.col("at").alias("ordered_at"),
        pl.lit(1, pl.Int32).alias("quantity"),
        pl.lit("web").alias("channel"),
    )


def _returns(rentals: pl.DataFrame) -> pl.DataFrame:
    return rentals.drop_nulls("reason").select(
        "line_id", (pl.col("at") + timedelta(days=1)).alias("returned_at"), "reason"
    )
