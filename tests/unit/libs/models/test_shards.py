"""A shard is the same examples wherever its pages are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from libs.features.assembly import Matrix
from libs.models.examples import LEARNED, OUTCOME, ROWS, learned, read_splits
from libs.models.ordinal import Probabilities, boost, booster_data, margins
from libs.models.outcomes import Codes
from libs.models.shards import Shard
from tests.unit.libs.models.conftest import MARKET

PAGE = 500
# Without draws by chance, so that a difference is the pages'.
CERTAIN = MARKET.training.model_copy(update={"subsample": 1.0, "colsample": 1.0, "rounds": 20})


@pytest.fixture(scope="module")
def examples(training_path: Path) -> tuple[Matrix, Codes]:
    return learned(read_splits(str(training_path), LEARNED))


@pytest.fixture(scope="module")
def alone(examples: tuple[Matrix, Codes]) -> Probabilities:
    return margins(boost(booster_data(*examples), CERTAIN), examples[0])


def batches(examples: tuple[Matrix, Codes]) -> Iterator[dict[str, Any]]:
    rows, outcomes = examples
    for start in range(0, len(rows), PAGE):
        yield {ROWS: rows[start : start + PAGE], OUTCOME: outcomes[start : start + PAGE]}


@pytest.mark.parametrize(("memory_bytes", "on_disk"), [(2**30, "none"), (300_000, "some"), (1, "all")])
def test_a_booster_learns_the_same_from_pages_in_memory_and_on_disk(
    examples: tuple[Matrix, Codes], alone: Probabilities, tmp_path: Path, memory_bytes: float, on_disk: str
) -> None:
    shard = Shard.of(batches(examples), tmp_path, memory_bytes)
    files = len(list(tmp_path.glob("*.npy")))
    assert {"none": files == 0, "some": 0 < files < len(shard.pages), "all": files == len(shard.pages)}[on_disk]
    found = margins(boost(shard.matrix(), CERTAIN), examples[0])
    # Bins are cut from sketches of pages, so some rows near a border change sides.
    assert np.mean(np.abs(found - alone)) < 0.02
    assert np.corrcoef(found[:, 0], alone[:, 0])[0, 1] > 0.99
