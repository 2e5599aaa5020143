"""The benchmark's figures on answers made by hand, and what it refuses before anything is started."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fit_quality import fit_quality, measured
from benchmarks.unseen import Asked
from libs.base.errors import DataError

SMALL, FIT, LARGE = 0, 1, 2
AREAS = ("auc_macro", "auc_weighted", "auc_small", "auc_fit", "auc_large")


def asked(predicted: list[list[float]], outcomes: list[int], violations: int = 0) -> Asked:
    return Asked(
        np.array(predicted, dtype=np.float64).reshape(-1, 3),
        np.array(outcomes, dtype=np.int8),
        sizes=2 * len(outcomes),
        violations=violations,
        unanswered=4,
    )


def test_right_answers_have_whole_areas_and_the_loss_of_their_probabilities() -> None:
    figures = measured(asked([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]], [SMALL, FIT, LARGE]))
    assert [figures[name] for name in AREAS] == [1.0] * 5
    assert figures["log_loss"] == pytest.approx(np.log(2))
    assert figures["ece"] == pytest.approx(1 / 3)


def test_wrong_answers_have_no_area() -> None:
    figures = measured(asked([[0.1, 0.2, 0.7], [0.4, 0.1, 0.5], [0.7, 0.2, 0.1]], [SMALL, FIT, LARGE]))
    assert [figures[name] for name in AREAS] == [0.0] * 5


def test_the_macro_area_is_the_mean_of_the_three_and_the_weighted_one_goes_by_how_often_each_happens() -> None:
    predicted = [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]
    figures = measured(asked(predicted, [SMALL, FIT, FIT, LARGE]))
    areas = [figures[name] for name in ("auc_small", "auc_fit", "auc_large")]
    assert areas == pytest.approx([1 / 6, 1.0, 1.0])
    assert figures["auc_macro"] == pytest.approx(sum(areas) / 3)
    assert figures["auc_weighted"] == pytest.approx(areas[0] / 4 + areas[1] / 2 + areas[2] / 4)


@pytest.mark.parametrize("outcome", [SMALL, FIT, LARGE])
def test_with_one_outcome_only_no_area_is_known_and_the_rest_is(outcome: int) -> None:
    figures = measured(asked([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], [outcome, outcome]))
    assert [figures[name] for name in AREAS] == [None] * 5
    assert figures["log_loss"] > 0
    assert figures["rows"] == 2


def test_without_one_of_the_outcomes_the_areas_of_the_others_are_known_and_no_mean() -> None:
    figures = measured(asked([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]], [SMALL, FIT]))
    assert [figures[name] for name in AREAS] == [None, None, 1.0, 1.0, None]
    assert json.loads(json.dumps(figures)) == figures


def test_what_was_counted_is_handed_on() -> None:
    figures = measured(asked([[0.5, 0.3, 0.2]], [SMALL], violations=3))
    counted = {name: figures[name] for name in ("rows", "sizes_answered", "monotonicity_violations", "unanswered")}
    assert counted == {"rows": 1, "sizes_answered": 2, "monotonicity_violations": 3, "unanswered": 4}


def test_no_answer_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="no rental of the test file could be answered"):
        measured(asked([], []))


def test_one_of_test_and_split_must_be_said(tmp_path: Path) -> None:
    train, out = [tmp_path / "train.json"], tmp_path / "out.json"
    with pytest.raises(DataError, match=r"say either --test FILE or --split random\|time"):
        fit_quality(train=train, out=out)
    with pytest.raises(DataError, match=r"say either --test FILE or --split random\|time"):
        fit_quality(train=train, out=out, test=tmp_path / "test.json", split="random")


def test_a_folder_that_the_figures_cannot_go_to_is_named_before_a_file_is_read(tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "out.json"
    with pytest.raises(DataError, match=r"--out .*out\.json: .*nowhere is no folder"):
        fit_quality(train=[tmp_path / "absent.json"], out=out, split="random")


def test_an_absent_file_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json cannot be read"):
        fit_quality(train=[tmp_path / "absent.json"], out=tmp_path / "out.json", split="random")
    assert list(tmp_path.iterdir()) == []
