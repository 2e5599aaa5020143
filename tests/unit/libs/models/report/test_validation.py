"""The validation page: what was found, in order of weight, and nothing of the data's own markup."""

import numpy as np

from libs.features.validation.checks import Finding
from libs.models.report.validation import Distribution, ValidationPage

HOSTILE = "<script>alert('category')</script> $x^{$ \N{SNOWMAN}"
PASSED = Finding("volumes", "orders, new", "passed", "orders: 5 rows", 0.1, 0.5, 40_000)
WARNING = Finding("categories", "orders.channel", "warning", f"most of all {HOSTILE!r}", 0.4, 0.2)
BLOCKED = Finding("null_rates", "customers.height_cm", "blocked", "height is null", 0.9, 0.1, 0.2)


def page(*findings: Finding, **more: object) -> str:
    return ValidationPage("Validation", "de", "until today", findings, **more).render()  # type: ignore[arg-type]


def test_the_heaviest_finding_is_the_word() -> None:
    assert '<div class="word">Passed</div>' in page(PASSED)
    assert '<div class="word">Worth a look</div>' in page(PASSED, WARNING)
    assert '<div class="word">Blocked</div>' in page(PASSED, WARNING, BLOCKED)
    assert "There is nothing to compare with yet." in page()


def test_every_check_stands_with_value_bound_and_what_was_before() -> None:
    text = page(PASSED, BLOCKED)
    for part in ("orders, new", "null rates", "40,000", ">0.9<", ">0.1<", "height is null"):
        assert part in text


def test_what_comes_from_the_data_is_text() -> None:
    text = page(WARNING)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_plots_are_drawn_for_what_there_is() -> None:
    drawn = page(
        WARNING,
        volumes={"orders": (5, 4), "returns": (2, 3)},
        shifts={"kept_n": 0.4, "confidence": 0.1},
        shift_bound=0.25,
        distributions=[
            Distribution("kept_n", np.array([1.0, 2.0]), np.array([5, 3, 2, 0]), np.array([1, 1, 8, 0])),
            Distribution("height_cm", np.empty(0), np.array([0, 5]), np.array([0, 3])),
        ],
    )
    assert drawn.count("<figure>") == 4
    assert "the furthest first" in drawn
    assert page(WARNING).count("<figure>") == 0
