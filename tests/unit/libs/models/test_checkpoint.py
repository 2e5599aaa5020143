"""A training that was killed goes on from where it was last kept."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import xgboost as xgb

from libs.base.market import Training
from libs.models.checkpoint import Checkpoint, Keeper
from libs.models.examples import LEARNED, learned, read_splits
from libs.models.ordinal import boost, booster_data, margins

# Without draws by chance what is fitted in two parts is what is fitted at once.
CERTAIN = Training(rounds=12, min_child_weight=5, subsample=1.0, colsample=1.0)


class Killed(Exception):
    """What ends a training from outside."""


@pytest.fixture(scope="module")
def data(training_path: Path) -> xgb.QuantileDMatrix:
    return booster_data(*learned(read_splits(str(training_path), LEARNED)))


def test_it_goes_on_from_the_checkpoint_and_comes_to_the_same(
    data: xgb.QuantileDMatrix, training_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path / "de.checkpoint.ubj", every_s=0.0)
    with monkeypatch.context() as patch:
        kept = Keeper.after_iteration

        def killed_after_five(keeper: Keeper, model: xgb.Booster, epoch: int, log: Keeper.EvalsLog) -> bool:
            kept(keeper, model, epoch, log)
            if epoch == 4:
                raise Killed
            return False

        patch.setattr(Keeper, "after_iteration", killed_after_five)
        with pytest.raises(Killed):
            boost(data, CERTAIN, checkpoint=checkpoint)
    begun = checkpoint.booster()
    assert begun is not None and begun.num_boosted_rounds() == 5
    resumed, at_once = boost(data, CERTAIN, checkpoint=checkpoint), boost(data, CERTAIN)
    assert resumed.num_boosted_rounds() == at_once.num_boosted_rounds() == 12
    rows, _ = learned(read_splits(str(training_path), LEARNED))
    assert np.allclose(margins(resumed, rows), margins(at_once, rows), atol=1e-4)
    checkpoint.clear()
    assert checkpoint.booster() is None


def test_it_is_kept_by_time_and_not_by_rounds(tmp_path: Path) -> None:
    time = Mock(return_value=0.0)
    keeper = Keeper(Checkpoint(tmp_path / "de.checkpoint.ubj", every_s=30.0), now=time)
    model = Mock(save_model=lambda path: path.write_bytes(b"x"))
    kept = []
    for second in (10, 20, 29, 31, 40, 60, 62):
        time.return_value = float(second)
        (tmp_path / "de.checkpoint.ubj").unlink(missing_ok=True)
        keeper.after_iteration(model, 0, {})
        if (tmp_path / "de.checkpoint.ubj").exists():
            kept.append(second)
    assert kept == [31, 62]


def test_of_ranks_that_train_together_one_keeps_it(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "x", keeps=False).keepers() == []
