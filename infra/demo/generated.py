"""The demo on made-up markets: one is promoted under live traffic, one rejected by its standards, one not better."""

import random
from dataclasses import asdict

from rich.console import Console

from infra.demo.story import Story
from infra.demo.traffic import ask
from infra.demo.truth import Accuracy, measure
from libs.features.generator.deliveries import cut_off, deliver, deliver_older, scramble_returns
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake

PLANS = {
    "de": MarketPlan("de", customers=6_000, articles=800, lines_per_week=4_000, seed=1),
    "uk": MarketPlan("uk", 6_000, 800, 4_700, seed=2, systems=("UK", "letter", "waist")),
    "us": MarketPlan("us", 6_000, 800, 4_700, seed=3, systems=("US", "letter")),
}
# `de` moves to the platform in two steps: these weeks first, the older ones a week later.
_MIGRATED_FIRST_WEEKS = 14
_TRUTH_CUSTOMERS = 150
_BATCH = 20


def tell(story: Story) -> None:
    """Tell the whole story."""
    console, lake = story.console, Lake.open(story.environment.lake)
    _first_deliveries(console, lake)
    story.run_week("week 1: first models", cut_off(PLANS["de"], 0))
    story.meet_shoppers()
    shoppers = story.shoppers["de"]
    story.show_curl("de", shoppers.customers[7], shoppers.articles[7])
    console.rule("week 2: new data arrives")
    for market, plan in PLANS.items():
        console.print(deliver(lake, plan, 1), highlight=False)
        if market == "de":
            console.print("  de: the second step of its migration: ", deliver_older(lake, plan, _MIGRATED_FIRST_WEEKS))
        if market == "us":
            console.print(f"  us: its returns feed breaks, {scramble_returns(lake, plan, seed=0):,} returns are wrong")
    story.run_week("week 2: new models", cut_off(PLANS["de"], 1))
    story.watch("shadow windows under live traffic")
    console.rule("against the known truth")
    for market, plan in PLANS.items():
        story.reports[market].truth = asdict(_truth(story, lake, plan))


def _first_deliveries(console: Console, lake: Lake) -> None:
    console.rule("a lakehouse of three markets")
    for market, plan in PLANS.items():
        weeks = _MIGRATED_FIRST_WEEKS if market == "de" else None
        console.print(deliver(lake, plan, 0, only_last_weeks=weeks), highlight=False)


def _truth(story: Story, lake: Lake, plan: MarketPlan) -> Accuracy:
    """Over HTTP, in questions of several articles, as a shop would ask."""
    rng = random.Random(plan.seed)
    shoppers = story.shoppers[plan.name]
    customers, articles, answers = [], [], {}
    for customer in rng.sample(list(shoppers.customers), _TRUTH_CUSTOMERS):
        asked = rng.sample(list(shoppers.articles), _BATCH)
        for one in ask(story.url, story.key, plan.name, customer, asked)["recommendations"]:
            customers.append(customer)
            articles.append(one["article_id"])
            answers[customer, one["article_id"]] = one["size"]
    return measure(lake, plan, customers, articles, lambda customer, article: answers[customer, article])
