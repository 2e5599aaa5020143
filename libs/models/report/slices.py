"""Parts of the holdout that may fare differently from the whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from libs.models import weighted
from libs.models.bootstrap import MIN_CUSTOMERS, Floats
from libs.models.explanation import ARTICLE_BASES, CUSTOMER_BASES
from libs.models.lines import Lines
from libs.models.outcomes import FIT
from libs.models.report.beside import Beside
from libs.models.report.estimates import TO_LOOK_AT, Estimate, estimates, means
from libs.models.report.measures import AUC_MACRO
from libs.models.weighted import Mask

# Categories beyond the largest ones are one slice together: a table of a hundred rows is not read.
_CATEGORIES = 12
# Bounds of "how much is known": a first impression, some, plenty.
_KEPT_BOUNDS, _ARTICLE_BOUNDS = (1, 3, 10), (1, 10, 100)
_DIVISION = "division_"
_COLD = "nothing: cold"
_CUSTOMER, _ARTICLE = "What is known of the customer", "What is known of the article"
_LEVELS, _ACCOUNT = "Cold levels, by what an answer rests on", "Account"
# The evidence of an answer in words, narrowest first as in `explanation`.
_CUSTOMER_EVIDENCE = dict(
    zip(CUSTOMER_BASES, ("kept before", "height and weight only", "unknown customer"), strict=True)
)
_ARTICLE_EVIDENCE = dict(
    zip(ARTICLE_BASES, ("known article", "known brand", "known category", "unknown article"), strict=True)
)


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


def slices(rows: pl.DataFrame, named: Mapping[str, Mask]) -> list[Slice]:
    """Cut the holdout, (n); empty slices are left out.

    Args:
        rows: the training table's columns.
        named: the slices that the standards may name, (n,) each, of `evaluation.slice_masks`.
    """
    return [one for one in _cuts(rows, named) if one.rows.any()]


def measure(parts: Sequence[Slice], lines: Lines, beside: Beside | None, confidence: float) -> list[SliceResult]:
    """At least one slice of n lines, with intervals from the same replicates."""
    groups = np.array([one.rows for one in parts])
    compared, excess = _excess(len(lines), beside)
    asked = [
        means(lines.losses, groups),
        means(lines.hit, groups, lines.kept),
        means(lines.predicted[:, FIT] - lines.kept, groups),
        means(excess, groups, compared),
        *(weighted.on(one.rows, AUC_MACRO.of(lines.of(one.rows))) for one in parts),
    ]
    losses, hits, gaps, over, *areas = estimates(lines.customers, asked, confidence, TO_LOOK_AT)
    return [
        SliceResult(
            group=one.group,
            label=one.label,
            lines=int(one.rows.sum()),
            customers=(customers := _customers(lines, one.rows)),
            kept=float(lines.kept[one.rows].mean()),
            auc_macro=_sure(areas[index][0], customers),
            log_loss=_sure(losses[index], customers),
            top1_accuracy=_sure(hits[index], customers),
            fit_gap=_sure(gaps[index], customers),
            over_champion=_sure(over[index], _customers(lines, one.rows & compared)) if compared.any() else None,
            standard=one.standard,
        )
        for index, one in enumerate(parts)
    ]


def _excess(lines: int, beside: Beside | None) -> tuple[Mask, Floats]:
    """Which of n lines neither model has seen, and their loss above the champion's, (n,) each."""
    compared, excess = np.zeros(lines, dtype=np.bool_), np.zeros(lines)
    if beside and beside.shared:
        compared, excess[beside.unseen] = beside.unseen, beside.shared.excess
    return compared, excess


def _customers(lines: Lines, rows: Mask) -> int:
    return len(np.unique(lines.customers[rows]))


def _sure(found: Estimate, customers: int) -> Estimate:
    """The estimate, with its interval only where there are customers enough for one."""
    return found if customers >= MIN_CUSTOMERS else Estimate(found.value)


def _cuts(rows: pl.DataFrame, named: Mapping[str, Mask]) -> Iterator[Slice]:
    for name in named:
        if name.startswith(_DIVISION):
            yield Slice("Division", name.removeprefix(_DIVISION), named[name], name)
    yield from _categories(rows["category"])
    yield Slice(_CUSTOMER, _COLD, named["cold_customer"], "cold_customer")
    yield from _known(_CUSTOMER, rows["history_kept"].list.sum().to_numpy(), _KEPT_BOUNDS, "kept before")
    yield Slice(_ARTICLE, _COLD, named["cold_article"], "cold_article")
    yield from _known(_ARTICLE, rows["article_n"].to_numpy(), _ARTICLE_BOUNDS, "outcomes before")
    for customer, of_customer in _CUSTOMER_EVIDENCE.items():
        for article, of_article in _ARTICLE_EVIDENCE.items():
            name = f"basis_{customer}_{article}"
            yield Slice(_LEVELS, f"{of_customer}, {of_article}", named[name], name)
    yield Slice(_LEVELS, "cold customer, cold article", named["cold_both"], "cold_both")
    yield Slice(_ACCOUNT, "looks like several people", named["multi_person"], "multi_person")
    yield Slice(_ACCOUNT, "all others", ~named["multi_person"])
    yield from _sizes(rows["bought"].cast(pl.Int64).to_numpy(), rows["positions"].list.len().to_numpy())


def _categories(category: pl.Series) -> Iterator[Slice]:
    counts = category.drop_nulls().value_counts(name="lines").sort(["lines", category.name], descending=[True, False])
    names = counts[category.name]
    for name in names[:_CATEGORIES]:
        yield Slice("Category", name, _mask(category == name))
    smaller = names[_CATEGORIES:]
    yield Slice("Category", f"{len(smaller)} smaller categories", _mask(category.is_in(smaller.implode())))


def _known(group: str, count: Floats, bounds: tuple[int, ...], what: str) -> Iterator[Slice]:
    for low, high in pairwise(bounds):
        yield Slice(group, f"{low} to {high - 1} {what}", (count >= low) & (count < high))
    yield Slice(group, f"{bounds[-1]} or more {what}", count >= bounds[-1])


def _sizes(bought: Floats, sizes: Floats) -> Iterator[Slice]:
    group, choice = "Size bought, of the article's sizes", sizes > 1
    yield Slice(group, "its smallest", choice & (bought == 0))
    yield Slice(group, "in between", (bought > 0) & (bought < sizes - 1))
    yield Slice(group, "its largest", choice & (bought == sizes - 1))
    yield Slice(group, "the only one", ~choice)


def _mask(rows: pl.Series) -> Mask:
    return np.asarray(rows.fill_null(False).to_numpy(), dtype=np.bool_)
