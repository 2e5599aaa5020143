"""A training whose process is killed again and again goes on from where it was last kept, and comes to the same."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from libs.base.environment import REPOSITORY
from libs.base.market import Market, Training
from libs.features.tables import build_tables
from libs.models.assignment import Assignment
from libs.models.checkpoint import rounds_done
from libs.models.market_training import Trained, read_result, train_market
from libs.models.package import load
from tests.small_market import AS_OF, small_market

KILLS = 5
EVERY_S = 1.0
# Without draws by chance, so that a difference is the kills'.
TRAINING = Training(rounds=1_000, learning_rate=0.01, min_child_weight=5, subsample=1.0, colsample=1.0)
# What a rank does with a market (`libs.models.shared_group`), in a process that can be killed.
TRAIN = """
import sys
from pathlib import Path
from libs.models.market_training import train_market
from tests.chaos.test_training_killed import EVERY_S, assignment
train_market(assignment(Path(sys.argv[1])), 1, EVERY_S)
"""


def assignment(folder: Path) -> Assignment:
    return Assignment(Market(name="de", training=TRAINING), str(folder / "training.parquet"), folder / "model", 8_000)


@pytest.mark.timeout(900)
@pytest.mark.row(
    "20",
    f"a training worker is killed {KILLS} times",
    "completes; 1 checkpoint interval lost a kill at most; log loss within 1e-4",
)
def test_it_completes_and_comes_to_the_same(figure: Callable[[str], None], tmp_path: Path) -> None:
    data = small_market(lines=8_000)
    tables = build_tables(Market(name="de"), data.lines, data.returns, data.customers, data.articles, AS_OF)
    tables.training.write_parquet(tmp_path / "training.parquet")
    one, random_, lost_s, before = assignment(tmp_path), random.Random(20), list[float](), 0.0
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", TRAIN, str(tmp_path)], cwd=REPOSITORY)
        while not one.checkpoint.exists() or one.checkpoint.stat().st_mtime <= before:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        time.sleep(random_.uniform(0, EVERY_S))
        os.kill(process.pid, signal.SIGKILL)
        killed_at = time.time()
        process.wait()
        before = one.checkpoint.stat().st_mtime
        lost_s.append(killed_at - before)
    rounds = rounds_done(one.checkpoint)
    train_market(one, 1, EVERY_S)
    finished = read_result(one)
    alone = replace(one, folder=tmp_path / "alone")
    train_market(alone, 1, 3_600.0)
    at_once = read_result(alone)
    assert isinstance(finished, Trained) and isinstance(at_once, Trained)
    difference = abs(finished.metrics.log_loss - at_once.metrics.log_loss)
    figure(
        f"killed {KILLS} times, the last after {rounds:,} of {TRAINING.rounds:,} rounds; {max(lost_s):.2f} s lost at "
        f"most, kept every {EVERY_S:g} s; log loss differs by {difference:.1e}"
    )
    assert load(finished.folder).booster.num_boosted_rounds() == TRAINING.rounds
    # And the round that was under way.
    assert max(lost_s) <= EVERY_S + 0.1
    assert difference <= 1e-4
