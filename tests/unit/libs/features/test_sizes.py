"""Size scales: every system of one kind of garment lies on one axis, in order, in exact steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.features.schema import DIVISIONS, GENDERS
from libs.features.sizes import SCALES, position, scale_of

LETTERS = ("XXXS", "XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL", "4XL", "5XL", "6XL")
NUMBERED = [(scale, "EU") for scale in SCALES] + [
    (scale, system) for scale in SCALES for system in ("UK", "US") if position(scale, system, "8") is not None
]
WAISTED = [scale for scale in SCALES if position(scale, "waist", "32") is not None]
# Thousandths of a size: what the pattern of a number label allows.
LABELS = st.integers(0, 999_000).map(lambda thousandths: thousandths / 1000)


def at(scale: str, system: str, label: str) -> float:
    found = position(scale, system, label)
    assert found is not None
    return found


def test_there_is_one_scale_per_division_and_gender() -> None:
    assert set(SCALES) == {scale_of(division, gender) for division in DIVISIONS for gender in GENDERS}
    assert len(SCALES) == len(set(SCALES)) == len(DIVISIONS) * len(GENDERS)


@given(st.sampled_from(NUMBERED), LABELS, LABELS)
def test_a_larger_number_never_stands_lower(kind: tuple[str, str], one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert at(*kind, f"{smaller:g}") <= at(*kind, f"{larger:g}")


@given(st.sampled_from(NUMBERED), st.integers(0, 998))
def test_the_next_whole_number_stands_one_higher(kind: tuple[str, str], number: int) -> None:
    assert at(*kind, str(number + 1)) - at(*kind, str(number)) == 1


@given(st.sampled_from(NUMBERED), LABELS)
def test_numbers_stand_on_multiples_of_a_64th(kind: tuple[str, str], number: float) -> None:
    assert (at(*kind, f"{number:g}") * 64).is_integer()


@pytest.mark.parametrize("scale", SCALES)
def test_letters_are_in_order_on_multiples_of_a_64th(scale: str) -> None:
    positions = [at(scale, "letter", letter) for letter in LETTERS]
    assert positions == sorted(set(positions))
    assert all((one * 64).is_integer() for one in positions)


@given(
    st.sampled_from(WAISTED),
    st.tuples(st.integers(20, 50), st.integers(26, 38)),
    st.integers(20, 50),
    st.integers(26, 38),
)
def test_waists_are_in_order_and_the_leg_only_breaks_ties(
    scale: str, one: tuple[int, int], waist: int, leg: int
) -> None:
    first, second = at(scale, "waist", f"{one[0]}/{one[1]}"), at(scale, "waist", f"{waist}/{leg}")
    assert (first < second) == (one < (waist, leg))
    assert (first * 64).is_integer()


@pytest.mark.parametrize(
    ("scale", "system", "label", "eu"),
    [
        ("apparel-women", "UK", "8", 36),
        ("apparel-women", "US", "6", 36),
        ("apparel-women", "letter", "M", 40),
        ("apparel-women", "waist", "28", 38),
        ("apparel-men", "US", "38", 48),
        ("apparel-men", "waist", "W32/L34", 48 + 2 / 64),
        ("footwear-men", "UK", "8", 42),
        ("footwear-men", "US", "9", 42),
        ("footwear-women", "UK", "5", 38),
        ("footwear-women", "US", "7", 38),
    ],
)
def test_a_size_stands_where_the_published_tables_put_it(scale: str, system: str, label: str, eu: float) -> None:
    assert position(scale, system, label) == eu


def test_the_same_label_is_another_size_on_shoes_than_on_clothes() -> None:
    assert position("footwear-women", "US", "8") != position("apparel-women", "US", "8")
    assert position("footwear-men", "letter", "M") != position("apparel-men", "letter", "M")


@pytest.mark.parametrize("label", [str(size) for size in range(59)])
def test_every_size_of_the_public_rental_data_has_a_place(label: str) -> None:
    assert position("apparel-women", "US", label) == int(label) + 30


@pytest.mark.parametrize(
    ("one", "other"), [("3XL", "XXXL"), ("2xs", "XXS"), (" m ", "M"), ("xl", "XL")], ids=lambda label: repr(label)
)
def test_letters_have_aliases_in_any_case(one: str, other: str) -> None:
    assert position("apparel-men", "letter", one) == position("apparel-men", "letter", other)


def test_a_decimal_comma_is_a_decimal_point() -> None:
    assert position("footwear-men", "EU", "42,5") == position("footwear-men", "EU", "42.5") == 42.5


@pytest.mark.parametrize(
    ("scale", "system", "label"),
    [
        ("apparel-women", "EU", "one size"),
        ("apparel-women", "EU", ""),
        ("apparel-women", "EU", "-2"),
        ("apparel-women", "letter", "38"),
        ("apparel-women", "EU", "M"),
        ("apparel-kids", "US", "8"),
        ("footwear-men", "waist", "32/32"),
        ("apparel-men", "JP", "3"),
    ],
)
def test_what_a_system_does_not_have_has_no_place(scale: str, system: str, label: str) -> None:
    assert position(scale, system, label) is None
