"""What came of a purchase, as numbers: small < fit < large."""

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.base.errors import DataError
from libs.features.outcomes import OUTCOMES

Codes = npt.NDArray[np.int8]

SMALL, FIT, LARGE = 0, 1, 2


def outcome_codes(rows: pl.DataFrame) -> Codes:
    """Outcomes as 0 small, 1 fit, 2 large."""
    codes = {name: code for code, name in enumerate(OUTCOMES)}
    return rows["outcome"].replace_strict(codes, return_dtype=pl.Int8).to_numpy()


def beyond(outcomes: Codes) -> npt.NDArray[np.float32]:
    """What the booster learns of n outcomes: beyond small, beyond fit, (n, 2) of 0 and 1."""
    return np.column_stack([outcomes > SMALL, outcomes > FIT]).astype(np.float32)


def check_outcomes(outcomes: Codes) -> None:
    """Raises: DataError: one of the three outcomes does not occur."""
    counts = np.bincount(outcomes, minlength=3)
    if (counts == 0).any():
        names = dict(zip(("small", "fit", "large"), counts.tolist(), strict=True))
        raise DataError(
            f"training needs all three outcomes, the market has {names}. Look at the return reasons, or train later."
        )
