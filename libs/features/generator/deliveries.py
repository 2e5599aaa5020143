"""The made-up market as weekly deliveries into a lakehouse, and the truth beside it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from libs.features.generator.population import FIRST_WEEK, MarketPlan, populate
from libs.features.generator.purchases import Week, buy, nearest_sizes, true_size
from libs.features.lake import Lake
from libs.features.schema import ARTICLES, CUSTOMERS, ORDERS, RETURNS

# No return is later than 45 days, which touch eight calendar weeks.
_LATEST_RETURN_WEEKS = 8
# What a broken feed says of every return: a week after some order, whichever it is.
_WRONG_AFTER = timedelta(days=7)


@dataclass(frozen=True)
class Delivery:
    """What one delivery brought."""

    market: str
    part: str
    orders: int
    returns: int


def cut_off(plan: MarketPlan, week: int) -> datetime:
    """The moment at which delivery `week` is complete; delivery 0 is the whole history."""
    return FIRST_WEEK + timedelta(weeks=plan.history_weeks + week)


def deliver(lake: Lake, plan: MarketPlan, week: int, only_last_weeks: int | None = None) -> Delivery:
    """Write one delivery: everything that happened since the one before, and customers and articles restated.

    Args:
        lake: where to.
        plan: the market.
        week: 0 for the history, then 1, 2, ...
        only_last_weeks: of delivery 0, only so much: the orders of a market that is migrated in two steps.
    """
    population = populate(plan)
    until = cut_off(plan, week)
    lake.write_frame(CUSTOMERS, plan.name, "all", population.customers.filter(pl.col("registered_at") < until))
    lake.write_frame(ARTICLES, plan.name, "all", population.articles.filter(pl.col("launched_at") < until))
    last = plan.history_weeks + week
    if week > 0:
        recent = [buy(plan, population, one) for one in range(max(0, last - _LATEST_RETURN_WEEKS), last)]
        return _write(lake, plan, f"week-{week:04d}", recent, recent[-1].orders, (cut_off(plan, week - 1), until))
    history = [buy(plan, population, one) for one in range(last - (only_last_weeks or last), last)]
    orders = pl.concat([one.orders for one in history])
    return _write(lake, plan, "week-0000", history, orders, (FIRST_WEEK, until))


def deliver_older(lake: Lake, plan: MarketPlan, only_last_weeks: int) -> Delivery:
    """Write what delivery 0 with the same `only_last_weeks` left out: the second step of a migration."""
    population = populate(plan)
    older = [buy(plan, population, one) for one in range(plan.history_weeks - only_last_weeks)]
    orders = pl.concat([one.orders for one in older])
    return _write(lake, plan, "migrated", older, orders, (FIRST_WEEK, cut_off(plan, 0)))


def _write(
    lake: Lake, plan: MarketPlan, part: str, weeks: list[Week], orders: pl.DataFrame, span: tuple[datetime, datetime]
) -> Delivery:
    """Write orders, and of the returns of these weeks those that happened in the span."""
    returned = pl.concat([one.returns for one in weeks]).filter(
        (pl.col("returned_at") >= span[0]) & (pl.col("returned_at") < span[1])
    )
    lake.write_frame(ORDERS, plan.name, part, orders)
    lake.write_frame(RETURNS, plan.name, part, returned)
    return Delivery(plan.name, part, len(orders), len(returned))


def scramble_returns(lake: Lake, plan: MarketPlan, seed: int) -> int:
    """Restate a market's returns as a broken feed would: the right number of them, on the wrong lines.

    The schema holds and every value is allowed; only what a return says of its line is gone. Returns the number of
    returns that were moved.
    """
    rng = np.random.default_rng(seed)
    moved = 0
    orders = pl.DataFrame(pl.from_arrow(lake.read(ORDERS, plan.name)))
    latest = pl.col("ordered_at").max() - _WRONG_AFTER
    orders = orders.filter(pl.col("ordered_at") < latest).sample(fraction=1.0, shuffle=True, seed=seed)
    start = 0
    for part in lake.parts(RETURNS, plan.name):
        returns = pl.DataFrame(pl.from_arrow(lake.tables.read(RETURNS, plan.name, part=part)))
        lines = orders.slice(start, len(returns))
        start += len(returns)
        broken = lines.select(
            "line_id",
            returned_at=pl.col("ordered_at") + _WRONG_AFTER,
            reason=returns["reason"].sample(fraction=1.0, shuffle=True, seed=int(rng.integers(2**31))),
        )
        lake.write_frame(RETURNS, plan.name, part, broken)
        moved += len(broken)
    return moved


def true_best_sizes(plan: MarketPlan, customers: list[str], articles: list[str]) -> list[str | None]:
    """The size that is truly best for each customer and article, (n,): the article's size nearest to the true size
    of the account's main wearer, shifted by the article's true offset. None where the account has nobody of the
    article's gender; the main wearer comes first.

    Only evaluation may ask: features and models never see it.
    """
    population = populate(plan)
    account_of = {customer: index for index, customer in enumerate(population.customers["customer_id"].to_list())}
    number_of = {article: index for index, article in enumerate(population.articles["article_id"].to_list())}
    people: dict[tuple[int, str], int] = {}
    for person, (account, gender) in enumerate(zip(population.account, population.person_gender, strict=True)):
        people.setdefault((int(account), str(gender)), person)
    genders = population.articles["gender"].to_list()
    numbers = np.array([number_of[article] for article in articles])
    wearers = [people.get((account_of[c], genders[a])) for c, a in zip(customers, numbers, strict=True)]
    known = np.array([wearer is not None for wearer in wearers])
    persons = np.array([wearer or 0 for wearer in wearers])
    wanted = true_size(population, persons, numbers) + population.offset[numbers]
    labels = nearest_sizes(population, numbers, wanted)["size"].to_list()
    return [label if is_known else None for label, is_known in zip(labels, known, strict=True)]
