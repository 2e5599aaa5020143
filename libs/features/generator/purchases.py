"""What is bought, in which size, and what comes back when and why: all of it from true sizes and offsets."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from libs.features.catalogue import article_sizes
from libs.features.generator.population import FIRST_WEEK, Floats, MarketPlan, Population

# A purchase is felt as too small or too large when it is off by more than this many of the article's size steps.
_TOLERANCE_STEPS = 0.9
_FEELING_SD_STEPS = 0.4
# How customers choose: their own usual label size, missed by a step or more this often, often enough to learn from.
_CHOICE_SD_STEPS = 0.45
_MAIN_WEARER = 0.75
_OTHER_RETURN, _UNSAID_REASON, _KEPT_ANYWAY = 0.06, 0.08, 0.08
_LATE_RETURN = 0.04
_GUEST, _UNKNOWN_ARTICLE, _STORE, _RESALE = 0.01, 0.003, 0.08, 0.004


@dataclass(frozen=True)
class Week:
    """One week's order lines, and the returns they will cause, whenever those happen."""

    orders: pl.DataFrame
    returns: pl.DataFrame


def buy(plan: MarketPlan, population: Population, week: int) -> Week:
    """One week of a market; the same plan and week give the same rows."""
    rng = np.random.default_rng([plan.seed, 3, week])
    begin = FIRST_WEEK + timedelta(weeks=week)
    wearers, articles = _who_buys_what(plan, population, begin, rng)
    sizes = _choose_sizes(population, wearers, articles, rng)
    at = np.sort(rng.integers(0, 7 * 86_400, len(wearers)))
    line_ids = [f"{plan.name}-{week:03d}-{number:07d}" for number in range(len(wearers))]
    orders = pl.DataFrame(
        {
            "order_id": [
                f"{plan.name}-{week:03d}-{second}-{account}"
                for second, account in zip(at, population.account[wearers], strict=True)
            ],
            "line_id": line_ids,
            "customer_id": population.customers["customer_id"].gather(population.account[wearers]),
            "article_id": population.articles["article_id"].gather(articles),
            "size": sizes["size"],
            "ordered_at": pl.Series([begin + timedelta(seconds=int(second)) for second in at]).cast(
                pl.Datetime("us", "UTC")
            ),
            "quantity": np.where(rng.random(len(at)) < _RESALE, rng.integers(5, 30, len(at)), 1).astype(np.int32),
            "channel": np.where(rng.random(len(at)) < _STORE, "store", rng.choice(["web", "app"], len(at))),
        }
    )
    returns = _returns(population, wearers, articles, sizes["position"].to_numpy(), orders, rng)
    return Week(_with_strangers(orders, rng), returns)


def _who_buys_what(
    plan: MarketPlan, population: Population, begin: datetime, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Active customers buy more, popular articles are bought more; an article is bought for a person of its gender."""
    registered = (population.customers["registered_at"] <= begin).to_numpy()
    activity = np.random.default_rng([plan.seed, 4]).pareto(1.8, plan.customers) + 0.3
    weight = (activity * registered)[population.account]
    main = np.diff(population.account, prepend=-1) != 0
    sole = np.bincount(population.account)[population.account] == 1
    weight = weight * np.where(sole, 1.0, np.where(main, _MAIN_WEARER, 1 - _MAIN_WEARER))
    wearers = rng.choice(len(weight), plan.lines_per_week, p=weight / weight.sum())
    launched = (population.articles["launched_at"] <= begin).to_numpy()
    popularity = np.random.default_rng([plan.seed, 5]).pareto(1.7, plan.articles) + 0.3
    genders = population.articles["gender"].to_numpy()
    articles = np.empty(plan.lines_per_week, dtype=np.int64)
    for gender in ("women", "men"):
        chosen = popularity * launched * (genders == gender)
        lines = population.person_gender[wearers] == gender
        articles[lines] = rng.choice(plan.articles, int(lines.sum()), p=chosen / chosen.sum())
    return wearers, articles


def true_size(population: Population, people: npt.NDArray[np.int64], articles: npt.NDArray[np.int64]) -> Floats:
    """The true size of each person for the division of each article, in EU sizes, offsets not counted."""
    apparel = (population.articles["division"] == "apparel").to_numpy()[articles]
    return np.where(apparel, population.apparel_size[people], population.footwear_size[people])


def _choose_sizes(
    population: Population,
    wearers: npt.NDArray[np.int64],
    articles: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Customers know their usual size and not the article's offset: the stocked size nearest to a noisy guess."""
    guess = true_size(population, wearers, articles)
    guess = guess + population.step[articles] * rng.normal(0, _CHOICE_SD_STEPS, len(wearers))
    return nearest_sizes(population, articles, guess)


def nearest_sizes(population: Population, articles: npt.NDArray[np.int64], wanted: Floats) -> pl.DataFrame:
    """For each wanted position the nearest size that the article has: columns size and position, (n,)."""
    stock = article_sizes(population.articles).group_by("article_id", maintain_order=True).agg("size", "position")
    stock = population.articles.select("article_id").join(stock, on="article_id", maintain_order="left")
    labels, positions = stock["size"].to_list(), [np.array(one) for one in stock["position"].to_list()]
    index = [int(np.argmin(np.abs(positions[a] - w))) for a, w in zip(articles, wanted, strict=True)]
    pairs = [(a, i) for a, i in zip(articles, index, strict=True)]
    return pl.DataFrame(
        {"size": [labels[a][i] for a, i in pairs], "position": [float(positions[a][i]) for a, i in pairs]}
    )


def _returns(
    population: Population,
    wearers: npt.NDArray[np.int64],
    articles: npt.NDArray[np.int64],
    positions: Floats,
    orders: pl.DataFrame,
    rng: np.random.Generator,
) -> pl.DataFrame:
    count = len(wearers)
    misfit = positions - true_size(population, wearers, articles) - population.offset[articles]
    felt = misfit / population.step[articles] + rng.normal(0, _FEELING_SD_STEPS, count)
    reason = np.where(felt < -_TOLERANCE_STEPS, "too_small", np.where(felt > _TOLERANCE_STEPS, "too_large", ""))
    reason = np.where((reason != "") & (rng.random(count) < _KEPT_ANYWAY), "", reason)
    reason = np.where((reason != "") & (rng.random(count) < _UNSAID_REASON), "changed_mind", reason)
    other = (reason == "") & (rng.random(count) < _OTHER_RETURN)
    reason = np.where(other, rng.choice(["quality", "changed_mind", "damaged", "other"], count), reason)
    days = 1 + rng.gamma(3.0, 2.7, count)
    days = np.where(rng.random(count) < _LATE_RETURN, rng.uniform(25, 45, count), np.minimum(days, 25))
    return (
        orders.select("line_id", "ordered_at")
        .with_columns(reason=pl.Series(reason), delay=pl.Series((days * 86_400).astype(np.int64)))
        .filter(pl.col("reason") != "")
        .select("line_id", returned_at=pl.col("ordered_at") + pl.duration(seconds=pl.col("delay")), reason="reason")
    )


def _with_strangers(orders: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Some lines are of guests or of articles that the tables do not have: business rules are for them."""
    guest = pl.Series(rng.random(len(orders)) < _GUEST)
    unknown = pl.Series(rng.random(len(orders)) < _UNKNOWN_ARTICLE)
    return orders.with_columns(
        customer_id=pl.when(guest).then(pl.concat_str(pl.lit("guest-"), "line_id")).otherwise(pl.col("customer_id")),
        article_id=pl.when(unknown).then(pl.lit("discontinued")).otherwise(pl.col("article_id")),
    )
