"""Any branch has one environment's name, which every store takes and no other branch has."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.base.branch_names import LONGEST, environment_of
from libs.base.identifiers import check_name, feast_project, market_name

RESERVED = {"main", "demo", "quality"}
# What git allows and people write, and what neither does.
PARTS = st.sampled_from(
    ["feature", "Feature", "FIX", "main", "de", "ünï", "日本", "v1.2", "a_b", "x" * 60, "-", ".", "é"]
)
BRANCHES = st.one_of(
    st.text(min_size=1, max_size=120),
    st.lists(PARTS, min_size=1, max_size=6).map("/".join),
    st.lists(PARTS, min_size=1, max_size=6).map("-".join),
    st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
    st.from_regex(r"[a-z]{1,8}-[0-9a-f]{8}", fullmatch=True),
)


@given(branch=BRANCHES)
@example(branch="日本")
@example(branch="-" * 50)
@example(branch="\udcff")
def test_every_store_takes_the_name(branch: str) -> None:
    name = environment_of(branch, RESERVED)
    assert check_name(name) == name
    assert len(name) <= LONGEST
    assert name not in RESERVED
    # A CronJob's name in Kubernetes: a DNS label of 52 characters at most.
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", market_name(name, "de"))
    assert re.fullmatch(r"[a-z0-9_]+", feast_project(name))


@given(one=BRANCHES, other=BRANCHES)
@example(one="Feature-X", other="feature-x")
@example(one="feature/x", other="feature-x")
@example(one="feature.x", other="feature_x")
@example(one="é", other="e")
@example(one="é", other="e\N{COMBINING ACUTE ACCENT}")
@example(one="x" * 60, other="x" * 61)
@example(one="main", other="Main")
def test_no_two_branches_have_the_same(one: str, other: str) -> None:
    assert (environment_of(one, RESERVED) == environment_of(other, RESERVED)) == (one == other)


@given(branch=BRANCHES)
def test_a_name_that_was_derived_is_not_a_branchs_that_is_called_so(branch: str) -> None:
    name = environment_of(branch, RESERVED)
    assert name == branch or environment_of(name, RESERVED) != name


@pytest.mark.parametrize("branch", ["feature-x", "a", "123", "release-2026-11"])
def test_a_branch_that_is_a_name_is_its_own(branch: str) -> None:
    assert environment_of(branch, RESERVED) == branch


@pytest.mark.parametrize(
    ("branch", "begins"),
    [
        ("feature/x", "feature-x-"),
        ("Ünder", "under-"),
        ("main", "main-"),
        ("日本", "branch-"),
        ("a" * 80, "a" * 19 + "-"),
        ("fix-deadbeef", "fix-deadbeef-"),
    ],
)
def test_what_had_to_be_changed_can_still_be_read_and_has_a_digest(branch: str, begins: str) -> None:
    assert re.fullmatch(re.escape(begins) + "[0-9a-f]{8}", environment_of(branch, RESERVED))


def test_the_same_branch_has_the_same_name_everywhere() -> None:
    assert environment_of("feature/größe", RESERVED) == "feature-grosse-773745f9"


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@given(one=st.tuples(NAMES, NAMES), other=st.tuples(NAMES, NAMES))
@example(one=("a-b", "c"), other=("a", "b-c"))
@example(one=("main", "us-west"), other=("main-us", "west"))
def test_no_market_of_one_environment_is_called_as_one_of_another(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (market_name(*one) == market_name(*other)) == (one == other)


def test_a_market_of_one_word_is_called_as_ever() -> None:
    assert market_name("main", "de") == "fitwave-main-de"


@given(environment=NAMES, market=NAMES)
def test_a_name_can_be_bounded(environment: str, market: str) -> None:
    assert len(market_name(environment * 3, market * 3, longest=52)) <= 52
    assert market_name(environment, "de", longest=52) == market_name(environment, "de")
