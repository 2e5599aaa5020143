"""A market's page with a window on it."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from apps.shadow.comparison import compare
from apps.shadow.console.features import Coverage, OnlineFeatures
from apps.shadow.console.findings import Found
from apps.shadow.console.markets import Evidence, MarketState
from apps.shadow.console.pages import Pages, percent
from apps.shadow.page import WindowPage
from apps.shadow.verdict import decide
from libs.base.rollout import CanaryRollout
from libs.features.sides import Live
from libs.models.history import History
from libs.models.ledger import Entry
from tests.unit.apps.shadow.elements import Elements
from tests.unit.apps.shadow.windows import WINDOW, counts_for, losses, pairs

NOW = datetime.now(UTC)
HISTORY = (
    Entry("de", "first", "1", None, "first"),
    Entry("de", "shadow", "2", "1", "met the standards"),
    Entry("de", "canary", "2", "1", "shown to be better", canary_share=0.05),
)
ROLLOUT = CanaryRollout(policy="canary", steps=(0.05, 0.5), max_mean_ms=50)


@pytest.fixture(scope="module")
def page() -> str:
    """The page of a market in a canary."""
    frame = pairs()
    verdict = decide(compare(frame, counts_for(frame), losses(0.03), WINDOW), WINDOW, 20.0)
    window = WindowPage("de", "champion v1, challenger v2", verdict, frame, losses(0.03), WINDOW)
    features = OnlineFeatures(
        Live("de", "a", "x", NOW, NOW),
        (Coverage("customers", "registered", 999, 1000), Coverage("articles", "online", None, 80)),
    )
    rendered = Pages().page(
        "market",
        market="de",
        state=MarketState("de", History(HISTORY), WINDOW.max_hours, WINDOW.min_pairs, ROLLOUT),
        evidence=Found(Evidence("w", verdict.decision, len(frame), window.parts(), ("step 1 of 2",)), at=NOW),
        features=Found(features, at=NOW),
        rollback=None,
    )
    return bytes(rendered.body).decode()


def test_the_verdict_is_there_with_its_plots(page: str) -> None:
    assert "Promote" in page
    elements = Elements(page).found
    assert sum(tag == "svg" for tag, _ in elements) == 5
    assert all(attributes["aria-label"] for _, attributes in elements if attributes.get("role") == "img")


def test_progress_is_told_in_words_too(page: str) -> None:
    assert all(one["aria-label"] for tag, one in Elements(page).found if tag == "progress")
    assert "of 24 h" in page
    assert "2,400 of at least 400" in page


def test_a_canary_is_told_with_its_figures_its_policy_and_its_steps_in_the_ledger(page: str) -> None:
    roles, ledger = page.split('<div id="window">')[0], page.split('id="ledger"')[1]
    assert "v2 answers 5 % of the customers since" in roles
    assert "<dt>How the canary goes</dt><dd>step 1 of 2</dd>" in roles
    assert "canary: what is shown to be better answers 5 %, 50 % of the customers, then all" in roles
    assert '<td class="text">canary 5 %</td>' in ledger


def test_coverage_is_told_and_what_nobody_knows_is_unknown(page: str) -> None:
    assert "99.90 %" in page
    assert "unknown" in page.split("articles</th>")[1]


def test_ids_are_taken_once_and_what_refers_to_one_finds_it(page: str) -> None:
    elements = Elements(page).found
    ids = Counter(attributes["id"] for _, attributes in elements if "id" in attributes)
    assert max(ids.values()) == 1
    for _, attributes in elements:
        for name in str(attributes.get("aria-labelledby") or "").split():
            assert name in ids
        target = str(attributes.get("href") or "")
        assert not target.startswith("#") or target[1:] in ids


def test_a_share_that_is_nearly_all_is_not_called_all() -> None:
    assert [percent(share) for share in (None, 0.5, 0.99999, 1.0)] == ["unknown", "50.00 %", "99.99 %", "100 %"]
