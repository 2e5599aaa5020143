"""Train and test rentals of the public file: two files as they are, or one file split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from libs.base.errors import DataError
from libs.features.renttherunway import ImportReport, Rental, read_rentals

Split = Literal["random", "time"]

# The published comparison's shares are 80:10:10. The last is the test; the first two are given to the product, which
# cuts its own calibration and holdout windows out of them.
_TEST_SHARE = 0.1
# Rentals, or days of them, of which the test share is at least one.
_FEWEST = 10


@dataclass(frozen=True)
class Rentals:
    """Rentals to learn from and rentals to be asked about, and what was said about reading them."""

    train: Sequence[Rental]
    test: Sequence[Rental]
    notes: Sequence[str]


def read_both(train: Sequence[Path], test: Path) -> Rentals:
    """Two sets of files as they are; a rental that is in both is not trained on, whatever its outcome is there.

    Raises:
        DataError: a file has nothing of the schema, or nothing is left to train on.
    """
    learned, train_report = read_rentals(train)
    asked, test_report = read_rentals([test])
    held_out = {_identity(one) for one in asked}
    unseen = [one for one in learned if _identity(one) not in held_out]
    if not unseen:
        raise DataError(f"all {len(learned)} rentals of --train are in {test} too: nothing is left to train on")
    notes = [*_left_out("train", train_report), *_left_out("test", test_report)]
    if len(unseen) < len(learned):
        notes.append(f"train: {len(learned) - len(unseen)} rentals are in the test file too and are not trained on")
    return Rentals(unseen, asked, notes)


def split_one(paths: Sequence[Path], split: Split, seed: int) -> Rentals:
    """Part rentals 80:10:10 by chance, or by days; the latest days are the test of a split by time.

    Raises:
        DataError: a file has nothing of the schema, or too few rentals or days to be split.
    """
    rentals, report = read_rentals(paths)
    if len(rentals) < _FEWEST:
        raise DataError(f"{len(rentals)} rentals are too few to be split, {_FEWEST} are needed: give more files")
    if split == "random":
        tested = np.random.default_rng(seed).permutation(len(rentals)) < _TEST_SHARE * len(rentals)
    else:
        days = sorted({one.at for one in rentals})
        if len(days) < _FEWEST:
            raise DataError(
                f"{len(days)} days are too few to be split by time, {_FEWEST} are needed: say --split random"
            )
        first_tested = days[int((1 - _TEST_SHARE) * len(days))]
        tested = np.array([one.at >= first_tested for one in rentals])
    train = [one for one, held_out in zip(rentals, tested, strict=True) if not held_out]
    test = [one for one, held_out in zip(rentals, tested, strict=True) if held_out]
    return Rentals(train, test, _left_out("file", report))


def _identity(rental: Rental) -> tuple[object, ...]:
    """What makes two lines the same rental. Its outcome does not: that of the test file decides nothing in training."""
    return (rental.user, rental.item, rental.size, rental.at)


def _left_out(name: str, report: ImportReport) -> list[str]:
    return [
        f"{name}: {count:,} of {report.lines:,} lines left out, {reason} (first at {report.examples[reason]})"
        for reason, count in report.malformed.most_common()
    ]
