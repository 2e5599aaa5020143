"""The verdicts benchmark: its windows are what they claim to be, and its figures what the windows ended with."""

import numpy as np
import polars as pl
import pytest

from benchmarks.verdicts.figures import figures
from benchmarks.verdicts.judges import Judged, fitwave
from benchmarks.verdicts.streams import BROKEN, SCENARIOS, WINDOW, Stream, made_up
from libs.models.pair_log import COMPLETE

PROMOTED, REJECTED = Judged("promote", 40), Judged("reject", 168)


@pytest.fixture(scope="module")
def windows() -> dict[str, Stream]:
    return {name: made_up(truth, seed=7) for name, truth in SCENARIOS.items()}


def test_the_truth_of_a_window_is_in_its_rows(windows: dict[str, Stream]) -> None:
    def failed(pairs: pl.DataFrame) -> float:
        by_customer = pairs.group_by("customer").agg((pl.col("outcome") != COMPLETE).mean())
        return float(by_customer["outcome"].mean() or 0)  # type: ignore[arg-type]

    broken = windows["failing_slice"].pairs.filter(pl.col("slices").list.contains(BROKEN))
    seconds = np.divide(*(windows["slower"].pairs[name].to_numpy().sum() for name in ("challenger_s", "champion_s")))
    losses = windows["better"].losses
    assert failed(windows["failing"].pairs) == pytest.approx(WINDOW.error_margin, abs=0.006)
    assert failed(broken) == pytest.approx(0.12, abs=0.06)
    assert seconds == pytest.approx(WINDOW.latency_margin, rel=0.03)
    assert float((losses["champion"] - losses["challenger"]).to_numpy().mean()) == pytest.approx(0.01, abs=0.006)


def test_traffic_grows_customers_return_and_labels_come_late(windows: dict[str, Stream]) -> None:
    stream = windows["equal"]
    hour = ((stream.pairs["at"] - stream.pairs["at"].min()).dt.total_hours()).to_numpy()
    assert (hour >= 84).sum() > 1.5 * (hour < 84).sum()
    assert len(stream.pairs) > 2 * stream.pairs["customer"].n_unique()
    matured = stream.losses["matured_at"]
    assert 0.25 < (matured == matured.min()).mean() < 0.45  # type: ignore[operator]


def test_a_seed_makes_the_same_window_again() -> None:
    one, other = (made_up(SCENARIOS["equal"], seed=3) for _ in range(2))
    assert one.pairs.equals(other.pairs)
    assert one.losses.equals(other.losses)
    assert one.counts == other.counts
    assert np.array_equal(one.looks, other.looks)


def test_fitwave_is_the_product(windows: dict[str, Stream]) -> None:
    assert fitwave(windows["better"]).decision == "promote"
    assert fitwave(windows["worse_quality"]).decision == "reject"
    assert fitwave(windows["failing_slice"]).slice_veto


def test_figures_are_shares_of_the_windows() -> None:
    ends = {name: [REJECTED] * 4 for name in SCENARIOS}
    ends["slower"] = [PROMOTED, *[REJECTED] * 3]
    ends["equal"] = [PROMOTED, PROMOTED, REJECTED, REJECTED]
    ends["better"] = [Judged("promote", 20), PROMOTED, Judged("promote", 90), REJECTED]
    ends["tiny_slice"] = [Judged("reject", 3, slice_veto=True), *[PROMOTED] * 3]
    found = figures(ends)
    assert found["false_promote_rate"] == 0.25
    assert found["false_promote_rate_equal_peeking"] == 0.5
    assert (found["power_better"], found["median_hours_to_verdict"]) == (0.75, 40)
    assert found["underpowered_slice_veto_rate"] == 0.25
