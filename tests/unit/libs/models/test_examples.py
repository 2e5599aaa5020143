"""What training lines teach."""

from pathlib import Path

import numpy as np
import polars as pl

from libs.features.assembly import FEATURES
from libs.features.splits import SHUFFLED
from libs.models.examples import learned


def test_a_line_teaches_with_its_choice_and_without_and_in_a_shuffled_order_with_it(training_path: Path) -> None:
    rows = pl.read_parquet(training_path).head(50)
    shuffled = rows.head(20).with_columns(split=pl.lit(SHUFFLED))
    both, outcomes = learned(rows)
    more, more_outcomes = learned(pl.concat([rows, shuffled]))
    chosen = np.isfinite(more[:, FEATURES.index("chosen_position")])
    assert chosen.tolist() == [True] * 50 + [False] * 50 + [True] * 20
    assert np.array_equal(more[:100], both, equal_nan=True)
    assert np.array_equal(more[100:], both[:20], equal_nan=True)
    assert more_outcomes.tolist() == [*outcomes, *outcomes[:20]]
