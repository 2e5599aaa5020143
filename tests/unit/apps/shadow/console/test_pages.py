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
from libs.features.sides import Live
from libs.models.history import History
from libs.models.ledger import Entry
from tests.unit.apps.shadow.elements import Elements
from tests.unit.apps.shadow.windows import WINDOW, counts_for, losses, pairs

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def page() -> str:
    frame = pairs()
    verdict = decide(compare(frame, counts_for(frame), losses(0.03), WINDOW), WINDOW, 20.0)
    window = WindowPage("de", "champion v1, challenger v2", verdict, frame, losses(0.03), WINDOW)
    history = History((Entry("de", "first", "1", None, "first"), Entry("de", "shadow", "2", "1", "met the standards")))
    features = OnlineFeatures(
        Live("de", "a", "x", NOW, NOW),
        (Coverage("customers", "registered", 999, 1000), Coverage("articles", "online", None, 80)),
    )
    rendered = Pages().page(
        "market",
        market="de",
        state=MarketState("de", history, WINDOW.max_hours, WINDOW.min_pairs),
        evidence=Found(Evidence("w", verdict.decision, len(frame), window.parts()), at=NOW),
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
