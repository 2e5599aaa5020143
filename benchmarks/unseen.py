"""Ask a trained package about rentals it has never seen, as the live service would be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import polars as pl

from libs.features.outcomes import OUTCOMES
from libs.features.preprocess import Prepared
from libs.features.renttherunway import Rental
from libs.features.snapshot import OnlineRow, snapshot
from libs.models.ordinal import Probabilities
from libs.models.outcomes import LARGE, SMALL, Codes
from libs.models.package import Package

# What the service's own coalescing would send at once, more or less; the answers do not depend on it.
_BATCH = 512
# A mixture of two people's probabilities is a sum, which may be off by a rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Asked:
    """What was answered to n rentals: `predicted` (n, 3) for the size that was rented, `outcomes` (n,).

    `violations` counts the steps from one size of an article to the next at which P(small) rose or P(large) fell, among
    `sizes` answers with a chosen size and without; `unanswered` counts rentals whose article or size is not online.
    """

    predicted: Probabilities
    outcomes: Codes
    sizes: int
    violations: int
    unanswered: int


def ask(package: Package, prepared: Prepared, rentals: Sequence[Rental]) -> Asked:
    """Score each rental from the online feature tables as they stand at the end of training."""
    as_of = datetime.fromisoformat(prepared.as_of)
    customers = _rows(prepared.customers_path, "customer_id", {one.user for one in rentals}, as_of)
    articles = _rows(prepared.articles_path, "article_id", {one.item for one in rentals}, as_of)
    known = [one for one in rentals if one.item in articles and str(one.size) in articles[one.item].values["sizes"]]
    predicted, sizes, violations = [], 0, 0
    for start in range(0, len(known), _BATCH):
        batch = known[start : start + _BATCH]
        # What came of the size that was rented is asked of one who has chosen that size.
        seen = snapshot(
            list(range(len(batch))),
            [(customers.get(one.user), articles[one.item]) for one in batch],
            [str(one.size) for one in batch],
        )
        offsets = seen.requests.offsets
        chosen = package.predict(seen.requests)
        predicted.append(chosen[offsets[:-1] + seen.requests.chosen])
        open_ = package.predict(seen.requests.without_choice())
        sizes += len(chosen) + len(open_)
        violations += _violations(chosen, offsets) + _violations(open_, offsets)
    outcomes = [OUTCOMES.index((one.reason or "fit").removeprefix("too_")) for one in known]
    return Asked(
        predicted=np.concatenate(predicted) if predicted else np.empty((0, 3)),
        outcomes=np.array(outcomes, dtype=np.int8),
        sizes=sizes,
        violations=violations,
        unanswered=len(rentals) - len(known),
    )


def _rows(path: str, key: str, ids: set[str], as_of: datetime) -> dict[str, OnlineRow]:
    rows = pl.scan_parquet(path).filter(pl.col(key).is_in(sorted(ids))).collect()
    return {row[key]: OnlineRow(row, as_of) for row in rows.iter_rows(named=True)}


def _violations(answers: Probabilities, offsets: np.ndarray) -> int:
    rises = falls = 0
    for begin, end in pairwise(offsets.tolist()):
        rises += int((np.diff(answers[begin:end, SMALL]) > _ROUNDING).sum())
        falls += int((np.diff(answers[begin:end, LARGE]) < -_ROUNDING).sum())
    return rises + falls
