"""A few hundred requests that nobody wrote; tests/chaos asks with twenty thousand."""

import pytest

from tests.generated_requests import ask_generated
from tests.served_gateway import served_gateway


@pytest.mark.parametrize(("with_key", "market"), [(True, "de"), (True, None), (False, "de")])
def test_every_answer_to_a_generated_request_is_as_documented(with_key: bool, market: str | None) -> None:
    with served_gateway() as gateway:
        found = ask_generated(gateway, examples=20, seed=0, with_key=with_key, market=market)
    assert not found.breaks, "\n\n".join(sorted(found.breaks)[:5])
    assert sum(found.cases.values()) > 100
    assert max(found.statuses) < 500
    # Not only refusals: the checks of good answers were made, or those of a key that is missing.
    assert {200, 422} <= found.statuses.keys() if with_key else 401 in found.statuses
