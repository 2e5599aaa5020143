"""A report of many lines is made from some of them."""

import numpy as np

from libs.models.report.material import ReportMaterial


def test_thinned_lines_keep_their_answers_and_those_of_the_champion(partly: ReportMaterial) -> None:
    thin = partly.thinned(len(partly.holdout) // 3)
    assert thin.one_in == 4
    assert thin.rival is not None and partly.rival is not None
    assert thin.holdout.equals(partly.holdout.gather_every(4))
    assert np.array_equal(thin.lines.losses, partly.lines.losses[::4])
    assert np.array_equal(thin.rival.unseen, partly.rival.unseen[::4])
    assert len(thin.rival.lines) == thin.rival.unseen.sum()


def test_a_holdout_that_is_small_enough_stays_whole(material: ReportMaterial) -> None:
    whole = material.thinned(len(material.holdout))
    assert whole.one_in == 1
    assert whole.holdout.equals(material.holdout)
