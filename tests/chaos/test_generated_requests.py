"""Twenty thousand requests that nobody wrote."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.generated_requests import ask_generated
from tests.served_gateway import served_gateway

# With a key for a market that there is, and for any; and without a key.
_RUNS = ((True, "de"), (True, None), (False, "de"))
_EXAMPLES = 1_400


@pytest.mark.timeout(3_600)
@pytest.mark.row(
    "22",
    "generated requests from the OpenAPI document",
    "20,000 cases, 1,000 an operation; 0 server errors, 0 breaks of the contract",
)
def test_every_answer_to_a_generated_request_is_as_documented(figure: Callable[[str], None]) -> None:
    cases: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    breaks: set[str] = set()
    with served_gateway() as gateway:
        for seed, (with_key, market) in enumerate(_RUNS):
            found = ask_generated(gateway, _EXAMPLES, seed, with_key, market)
            cases.update(found.cases)
            statuses.update(found.statuses)
            breaks |= found.breaks
    errors = sum(count for status, count in statuses.items() if status >= 500)
    figure(f"{sum(cases.values()):,} cases, {errors} server errors, {len(breaks)} breaks")
    figure(", ".join(f"{count:,} of {operation}" for operation, count in sorted(cases.items())))
    assert not breaks, "\n\n".join(sorted(breaks)[:5])
    assert errors == 0
    assert sum(cases.values()) >= 20_000
    assert len(cases) == 5 and min(cases.values()) >= 1_000
