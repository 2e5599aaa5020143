"""Parts of the holdout that may fare differently from the whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from libs.models.report.answers import Answers, Mask
from libs.models.report.measures import AUC_MACRO, LOG_LOSS, TOP1, fit_gap
from libs.models.report.resampling import Estimate, Resampling, Statistic, difference

# Categories beyond the largest ones are one slice together: a table of a hundred rows is not read.
_CATEGORIES = 12
# Bounds of "how much is known": nothing, a first impression, some, plenty.
_KEPT_BOUNDS, _ARTICLE_BOUNDS = (0, 1, 3, 10), (0, 1, 10, 100)
_COLD = "nothing: cold"
# As in `evaluation`: an account of several people shows in a wide spread of kept sizes.
_SEVERAL_KEPT, _SEVERAL_SPREAD = 3, 2.0


@dataclass(frozen=True)
class Slice:
    """Some lines of the holdout, and what they have in common; `standard` is their name in the minimum standards."""

    group: str
    label: str
    rows: Mask
    standard: str = ""


@dataclass(frozen=True)
class SliceResult:
    """A slice's measures. `over_champion` is the log loss above the champion's: below zero is better."""

    group: str
    label: str
    lines: int
    customers: int
    kept: float
    auc_macro: Estimate
    log_loss: Estimate
    top1_accuracy: Estimate
    fit_gap: Estimate
    over_champion: Estimate | None
    standard: str = ""


def slices(rows: pl.DataFrame) -> list[Slice]:
    """Cut the holdout in every way the table's columns allow; empty slices are left out."""
    found = []
    for needs, cut in _CUTS:
        if set(needs) <= set(rows.columns):
            found += [one for one in cut(rows) if one.rows.any()]
    return found


def measure(one: Slice, answers: Answers, champion: Answers | None, resampling: Resampling) -> SliceResult:
    """One slice, with intervals."""

    def estimate(statistic: Callable[[Answers, Mask], Statistic]) -> Estimate:
        return resampling.estimate(statistic(answers, one.rows), one.rows)

    over = None
    if champion is not None:
        over = resampling.estimate(
            difference(LOG_LOSS.of(answers, one.rows), LOG_LOSS.of(champion, one.rows)), one.rows
        )
    return SliceResult(
        group=one.group,
        label=one.label,
        lines=int(one.rows.sum()),
        customers=resampling.customers(one.rows),
        kept=float(answers.kept[one.rows].mean()),
        auc_macro=estimate(AUC_MACRO.of),
        log_loss=estimate(LOG_LOSS.of),
        top1_accuracy=estimate(TOP1.of),
        fit_gap=estimate(fit_gap),
        over_champion=over,
        standard=one.standard,
    )


def _divisions(rows: pl.DataFrame) -> Iterator[Slice]:
    for name in sorted(rows["division"].unique()):
        yield Slice("Division", name, _mask(rows, pl.col("division") == name), f"division_{name}")


def _categories(rows: pl.DataFrame) -> Iterator[Slice]:
    names = (
        rows["category"].drop_nulls().value_counts().sort(["count", "category"], descending=[True, False])["category"]
    )
    for name in names[:_CATEGORIES]:
        yield Slice("Category", name, _mask(rows, pl.col("category") == name))
    rest = f"{len(names) - _CATEGORIES} smaller categories"
    yield Slice("Category", rest, _mask(rows, pl.col("category").is_in(names[_CATEGORIES:].implode())))


def _customers(rows: pl.DataFrame) -> Iterator[Slice]:
    for label, condition in _levels("kept_n", _KEPT_BOUNDS, "kept before"):
        standard = "cold_customer" if label == _COLD else ""
        yield Slice("What is known of the customer", label, _mask(rows, condition), standard)


def _articles(rows: pl.DataFrame) -> Iterator[Slice]:
    for label, condition in _levels("article_n", _ARTICLE_BOUNDS, "outcomes before"):
        standard = "cold_article" if label == _COLD else ""
        yield Slice("What is known of the article", label, _mask(rows, condition), standard)


def _levels(column: str, bounds: tuple[int, ...], what: str) -> Iterator[tuple[str, pl.Expr]]:
    for low, high in zip(bounds, (*bounds[1:], None), strict=True):
        label = _COLD if low == 0 else f"{low} or more {what}"
        if low > 0 and high is not None:
            label = f"{low} to {high - 1} {what}"
        yield label, (pl.col(column) >= low) & (pl.lit(True) if high is None else pl.col(column) < high)


def _cold(rows: pl.DataFrame) -> Iterator[Slice]:
    known_customer, known_article = pl.col("kept_n") > 0, pl.col("article_n") > 0
    for label, condition in (
        ("known customer, known article", known_customer & known_article),
        ("cold customer, known article", ~known_customer & known_article),
        ("known customer, cold article", known_customer & ~known_article),
        ("both cold", ~known_customer & ~known_article),
    ):
        yield Slice("Cold levels", label, _mask(rows, condition))


def _accounts(rows: pl.DataFrame) -> Iterator[Slice]:
    mean = pl.col("kept_sum") / pl.col("kept_n")
    variance = pl.col("kept_sum_of_squares") / pl.col("kept_n") - mean**2
    several = (pl.col("kept_n") >= _SEVERAL_KEPT) & (variance > _SEVERAL_SPREAD**2)
    yield Slice("Account", "looks like several people", _mask(rows, several), "multi_person")
    yield Slice("Account", "looks like one person", _mask(rows, (pl.col("kept_n") >= _SEVERAL_KEPT) & ~several))


def _sizes(rows: pl.DataFrame) -> Iterator[Slice]:
    last = pl.col("positions").list.len().cast(pl.Int64) - 1
    bought = pl.col("bought").cast(pl.Int64)
    for label, condition in (
        ("its smallest", (bought == 0) & (last > 0)),
        ("in between", (bought > 0) & (bought < last)),
        ("its largest", (bought == last) & (last > 0)),
        ("the only one", last == 0),
    ):
        yield Slice("Size bought, of the article's sizes", label, _mask(rows, condition))


def _mask(rows: pl.DataFrame, condition: pl.Expr) -> Mask:
    return np.asarray(rows.select(condition.fill_null(False).alias("one"))["one"].to_numpy(), dtype=np.bool_)


_CUTS: tuple[tuple[tuple[str, ...], Callable[[pl.DataFrame], Iterator[Slice]]], ...] = (
    (("division",), _divisions),
    (("category",), _categories),
    (("kept_n", "article_n"), _cold),
    (("kept_n",), _customers),
    (("article_n",), _articles),
    (("kept_n", "kept_sum", "kept_sum_of_squares"), _accounts),
    (("bought", "positions"), _sizes),
)
