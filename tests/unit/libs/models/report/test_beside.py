"""The report compares on the very lines that the standards compare on."""

import numpy as np
import pytest

from libs.models.evaluation import measure
from libs.models.package import Package
from libs.models.report.beside import Beside, Shared, beside
from libs.models.report.estimates import Estimate
from libs.models.report.material import Champion
from libs.models.rival import evaluate_champion
from libs.models.standards import judge
from libs.models.training import Fitted
from tests.unit.libs.models.conftest import MARKET
from tests.unit.libs.models.test_rival import middle, trained_until


def compared_with(champion: Package, fitted: Fitted) -> Beside:
    return beside(evaluate_champion(champion, fitted.holdout), fitted.evaluation.lines, 0.95)


def difference(shared: Shared, name: str) -> Estimate:
    return next(one.difference for one in shared.compared if one.measure.name == name)


def test_a_champion_that_knows_none_of_the_holdout_is_compared_on_all_of_it(fitted: Fitted, champion: Champion) -> None:
    found = compared_with(champion.package, fitted)
    assert found.whole
    assert found.lines == len(fitted.holdout)
    assert found.shared is not None
    gap = difference(found.shared, "log_loss")
    assert gap.value == pytest.approx(found.shared.excess.mean(), abs=1e-6)
    assert gap.high is not None and gap.high < 0


def test_a_champion_that_knows_a_part_is_compared_on_the_rest_as_it_is_judged(
    fitted: Fitted, champion: Champion
) -> None:
    late = trained_until(champion.package, middle(fitted.holdout))
    found, rival = compared_with(late, fitted), evaluate_champion(late, fitted.holdout)
    assert found.shared is not None and rival.metrics is not None
    assert not found.whole
    assert np.array_equal(found.unseen, rival.unseen)
    assert found.lines == rival.unseen.sum()
    mine = measure(fitted.evaluation.lines.of(rival.unseen))
    for one in found.shared.compared:
        assert one.value == pytest.approx(getattr(mine, one.measure.name), abs=1e-5)
        assert one.champion == pytest.approx(getattr(rival.metrics, one.measure.name), abs=1e-5)
    standards = MARKET.standards.model_copy(update={"min_holdout_lines": 1})
    check = judge(standards, fitted.evaluation, rival).check("log_loss over champion")
    gap = difference(found.shared, "log_loss")
    assert check is not None
    assert (gap.value, gap.low, gap.high) == pytest.approx((check.value, check.low, check.high), abs=1e-5)


def test_a_champion_that_knows_all_of_the_holdout_is_not_compared(fitted: Fitted, champion: Champion) -> None:
    found = compared_with(trained_until(champion.package, fitted.holdout["ordered_at"].max()), fitted)  # type: ignore[arg-type]
    assert (found.lines, found.shared) == (0, None)


def test_a_model_compared_with_itself_differs_in_nothing(fitted: Fitted) -> None:
    found = compared_with(fitted.package, fitted).shared
    assert found is not None
    assert {one.difference.value for one in found.compared} == {0.0}
    assert found.disagreement.lines == 0
