"""Who an account buys for: two people only where two clearly different sizes are kept, each more than once."""

import numpy as np
import pytest
from hypothesis import given, settings

from libs.features.assembly import Requests
from libs.features.persons import account_statistics, persons_of
from tests.unit.libs.features.questions import asked, questions


def test_a_mother_and_a_daughter_are_two_people_each_with_her_own_size() -> None:
    found = persons_of(asked(kept={36: 2, 38: 4, 46: 3}))
    assert found.question.tolist() == [0, 0]
    assert found.border.tolist() == [42.0]
    assert found.weight.tolist() == [6 / 9, 3 / 9]
    assert (found.values["kept_sum"] / found.values["kept_n"]).tolist() == [(2 * 36 + 4 * 38) / 6, 46.0]


def test_two_people_may_each_keep_sizes_around_their_own() -> None:
    found = persons_of(asked(kept={36: 4, 38: 4, 40: 4, 44: 11, 46: 4}))
    assert found.border.tolist() == [42.0]


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {38: 9},
        {38: 4, 40: 4, 42: 4},
        {36: 3, 38: 3, 40: 3, 42: 3, 44: 3, 46: 3},
        {38: 5, 46: 1},
        {38: 1, 46: 5},
        {38: 3, 42: 3},
    ],
    ids=["nothing", "one size", "neighbours", "undecided", "one large present", "one small present", "two steps apart"],
)
def test_anything_less_is_one_person(kept: dict[float, float]) -> None:
    found = persons_of(asked(kept=kept))
    assert found.question.tolist() == [0]
    assert found.weight.tolist() == [1.0]
    assert np.isnan(found.border).all()


def test_who_has_chosen_a_size_is_the_person_whose_sizes_it_is_nearer_to() -> None:
    kept = {38.0: 4.0, 46.0: 3.0}
    assert persons_of(asked(kept=kept, chosen=0)).weight.tolist() == [1.0, 0.0]
    assert persons_of(asked(kept=kept, chosen=4)).weight.tolist() == [0.0, 1.0]


@given(questions())
@settings(max_examples=200, deadline=None)
def test_the_people_of_an_account_share_out_its_whole_history(requests: Requests) -> None:
    account = account_statistics(requests)
    for name, values in persons_of(requests).values.items():
        assert values.sum() == account[name][0]
