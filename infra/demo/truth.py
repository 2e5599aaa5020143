"""How often the recommended size is the truly best one, beside what a shop without a model would say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from libs.features.generator.deliveries import true_best_sizes
from libs.features.generator.population import MarketPlan
from libs.features.lake import Lake
from libs.features.schema import ORDERS, RETURNS

Recommend = Callable[[str, str], str | None]


@dataclass(frozen=True)
class Accuracy:
    """Of `pairs` of a customer and an article, the share answered with the truly best size; an abstention is none."""

    pairs: int
    recommended: float
    most_common_size: float
    answered: float


def measure(
    lake: Lake, plan: MarketPlan, customers: Sequence[str], articles: Sequence[str], recommend: Recommend
) -> Accuracy:
    """Ask for each customer and article, (n,) each; compare with the truth, and with the article's most kept size."""
    truths = true_best_sizes(plan, list(customers), list(articles))
    common = _most_kept_sizes(lake, plan.name)
    asked = [(c, a, truth) for c, a, truth in zip(customers, articles, truths, strict=True) if truth is not None]
    answers = [recommend(customer, article) for customer, article, _ in asked]
    hits = sum(answer == truth for answer, (_, _, truth) in zip(answers, asked, strict=True))
    baseline = sum(common.get(article) == truth for _, article, truth in asked)
    answered = sum(answer is not None for answer in answers)
    return Accuracy(len(asked), hits / len(asked), baseline / len(asked), answered / len(asked))


def _most_kept_sizes(lake: Lake, market: str) -> dict[str, str]:
    orders, returns = (pl.DataFrame(pl.from_arrow(lake.read(table, market))) for table in (ORDERS, RETURNS))
    kept = orders.join(returns, on="line_id", how="anti")
    counts = (
        kept.group_by("article_id", "size").len().sort("article_id", "len", "size", descending=[False, True, False])
    )
    return dict(counts.group_by("article_id", maintain_order=True).first().select("article_id", "size").iter_rows())
