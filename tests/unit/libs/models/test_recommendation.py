"""Answers: best size, second best, abstention, fallback with its basis, reasons that are true."""

from datetime import UTC, datetime

import pytest

from libs.base.market import Recommendation as Policy
from libs.features.columns import ARTICLE_STATISTICS, HISTORY_COUNTS, HISTORY_KEY
from libs.features.sizes import SCALES
from libs.features.snapshot import OnlineRow, Snapshot, snapshot
from libs.features.tables import MarketFeatures
from libs.models.abstention import Abstention
from libs.models.contract import Basis, Recommendation
from libs.models.package import Package
from libs.models.recommendation import recommend
from libs.models.training import Fitted

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def article(tables: MarketFeatures) -> OnlineRow:
    return OnlineRow(tables.articles.row(0, named=True), NOW)


@pytest.fixture
def customer(tables: MarketFeatures) -> OnlineRow:
    """A customer who kept something."""
    rows = tables.customers.filter(tables.customers["history_kept"].list.sum() >= 3)
    return OnlineRow(rows.row(0, named=True), NOW)


def ask(package: Package, live: Snapshot) -> Recommendation:
    return recommend(package, live, ["a0"])[0]


def with_policy(fitted: Fitted, policy: Policy) -> Package:
    threshold = Abstention(policy.min_confidence, None, True, ())
    card = fitted.package.card.model_copy(update={"recommendation": policy, "abstention": threshold})
    return Package(card, fitted.package.booster)


def test_the_recommended_size_is_the_one_most_likely_to_fit(
    fitted: Fitted, customer: OnlineRow, article: OnlineRow
) -> None:
    answer = ask(with_policy(fitted, Policy(min_confidence=0)), snapshot([0], [(customer, article)]))
    best = max(answer.sizes, key=lambda size: size.fit)
    assert (answer.size, answer.confidence) == (best.size, best.fit)
    assert [size.size for size in answer.sizes] == article.values["sizes"]
    assert answer.basis == Basis("history", "article")


def test_below_the_markets_confidence_it_abstains_and_still_shows_the_sizes(
    fitted: Fitted, customer: OnlineRow, article: OnlineRow
) -> None:
    answer = ask(with_policy(fitted, Policy(min_confidence=1.0)), snapshot([0], [(customer, article)]))
    assert answer.abstained
    assert answer.abstention_reason == "low_confidence"
    assert answer.size is None
    assert answer.sizes


def test_between_two_sizes_the_neighbour_is_named(fitted: Fitted, customer: OnlineRow, article: OnlineRow) -> None:
    generous = with_policy(fitted, Policy(min_confidence=0, second_best_within=1.0))
    answer = ask(generous, snapshot([0], [(customer, article)]))
    strict = with_policy(fitted, Policy(min_confidence=0, second_best_within=0.0))
    assert answer.second_best is not None
    labels = article.values["sizes"]
    assert abs(labels.index(answer.second_best.size) - labels.index(answer.size)) == 1
    assert ask(strict, snapshot([0], [(customer, article)])).second_best is None


def test_an_unknown_customer_is_answered_from_the_market(fitted: Fitted, article: OnlineRow) -> None:
    answer = ask(fitted.package, snapshot([0], [(None, article)]))
    assert answer.basis == Basis("market", "article")
    assert answer.sizes
    assert "nothing is known of this customer's size" in answer.reasons[0]


def test_a_customer_without_history_is_answered_from_the_body(
    fitted: Fitted, customer: OnlineRow, article: OnlineRow
) -> None:
    nothing: dict[str, list[float]] = {name: [] for name in (*HISTORY_KEY, *HISTORY_COUNTS)}
    known = customer.values | nothing | {"height_cm": 192.0, "body_positions": [40.0] * len(SCALES)}
    answer = ask(fitted.package, snapshot([0], [(OnlineRow(known, NOW), article)]))
    assert answer.basis is not None
    assert answer.basis.customer == "body"


@pytest.mark.parametrize(("known", "basis"), [("brand_n", "brand"), ("category_n", "category"), ("", "market")])
def test_a_cold_article_falls_back_and_says_on_what(
    fitted: Fitted, customer: OnlineRow, article: OnlineRow, known: str, basis: str
) -> None:
    cold = article.values | dict.fromkeys(ARTICLE_STATISTICS, 0.0) | ({known: 50.0} if known else {})
    answer = ask(fitted.package, snapshot([0], [(customer, OnlineRow(cold, NOW))]))
    assert answer.basis is not None
    assert answer.basis.article == basis


def test_an_article_that_is_not_online_is_unknown_and_its_neighbours_are_answered(
    fitted: Fitted, customer: OnlineRow, article: OnlineRow
) -> None:
    answers = recommend(fitted.package, snapshot([1], [(customer, article)]), ["gone", "a0"])
    assert answers[0].abstention_reason == "unknown_article"
    assert answers[1].sizes


def test_an_article_that_runs_small_is_said_to(fitted: Fitted, customer: OnlineRow, article: OnlineRow) -> None:
    runs_small = article.values | {"article_kept_gap_n": 95.0, "article_kept_gap_sum": 190.0}
    answer = ask(fitted.package, snapshot([0], [(customer, OnlineRow(runs_small, NOW))]))
    assert any("customers keep this article 1.9 EU sizes above their usual size" in said for said in answer.reasons)


def test_what_a_customer_kept_is_counted_right(fitted: Fitted, customer: OnlineRow, article: OnlineRow) -> None:
    values = customer.values | {
        "history_scale": [0, 0, 1],
        "history_position": [40.0, 42.0, 40.0],
        "history_brand": ["brand5"] * 3,
        "history_kept": [3.0, 0.0, 7.0],
        "history_small": [0.0, 0.0, 0.0],
        "history_large": [0.0, 1.0, 0.0],
    }
    answer = ask(fitted.package, snapshot([0], [(OnlineRow(values, NOW), article)]))
    assert answer.reasons[0] == (
        "this customer kept 3 of 4 purchases in comparable sizes, "
        "on average at EU 40.0, nearest to size 40 of this article"
    )


def bought_for(customer: OnlineRow, entries: dict[tuple[float, str], float]) -> OnlineRow:
    """The customer with another history: what was kept by position and brand."""
    ordered = sorted(entries.items())
    history = {
        "history_scale": [0] * len(ordered),
        "history_position": [position for (position, _), _ in ordered],
        "history_brand": [brand for (_, brand), _ in ordered],
        "history_kept": [count for _, count in ordered],
        "history_small": [0.0] * len(ordered),
        "history_large": [0.0] * len(ordered),
    }
    return OnlineRow(customer.values | history, NOW)


def test_what_was_kept_of_the_brand_is_said(fitted: Fitted, customer: OnlineRow, article: OnlineRow) -> None:
    brand = article.values["brand"]
    known = bought_for(customer, {(40.0, brand): 3.0, (42.0, "another"): 2.0})
    answer = ask(fitted.package, snapshot([0], [(known, article)]))
    assert "of this brand it kept EU 40 in 3 of 3 purchases" in answer.reasons


def test_two_people_in_an_account_do_not_average_into_a_size_that_neither_wears(
    fitted: Fitted, customer: OnlineRow, article: OnlineRow
) -> None:
    shared = bought_for(customer, {(36.0, "x"): 6.0, (48.0, "x"): 5.0})
    answer = ask(fitted.package, snapshot([0], [(shared, article)]))
    fit = {size.size: size.fit for size in answer.sizes}
    # Their mean is 42, and half way to it from either of them no size is the best.
    assert max(fit, key=lambda size: fit[size]) in {"36", "38", "46", "48"}
    assert fit["42"] < min(fit["36"], fit["48"])
    assert "seems to buy for two people: around EU 36.0" in answer.reasons[0]


def test_a_snapshot_can_be_narrowed_to_some_questions(fitted: Fitted, customer: OnlineRow, article: OnlineRow) -> None:
    whole = snapshot([0, 2], [(customer, article), (None, article)])
    answers = recommend(fitted.package, whole, ["x", "gone", "y"])
    part = recommend(fitted.package, whole.select([2, 1]), ["y", "gone"])
    assert part == [answers[2], answers[1]]
