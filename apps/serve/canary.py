"""Whose answers a canary gives, and the batch of a market in two: for the champion and for the challenger."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.serve.mirror import MirrorTarget
from libs.features.wire import pack, unpack
from libs.models.contract import SizeAnswer, SizeQuery
from libs.models.sampling import in_canary


@dataclass(frozen=True)
class Batch:
    """Queries of one market and their features, as `libs.features.wire.pack` made them."""

    queries: list[SizeQuery]
    features: bytes

    @property
    def market(self) -> str:
        return self.queries[0].market

    @property
    def articles(self) -> list[str]:
        """Those of all queries, one after the other."""
        return [article for query in self.queries for article in query.article_ids]


def chosen_by(target: MirrorTarget | None, queries: Sequence[SizeQuery]) -> list[bool]:
    """Which queries are for the market's challenger to answer."""
    if target is None or not target.canary_share:
        return [False] * len(queries)
    return [in_canary(query.customer_id, target.window, target.canary_share) for query in queries]


def apart(batch: Batch, chosen: Sequence[bool]) -> tuple[Batch, Batch]:
    """The queries that were not chosen, and those that were; either may be none."""
    snapshot, parts = unpack(batch.features), []
    for wanted in (False, True):
        queries: list[SizeQuery] = []
        questions: list[int] = []
        start = 0
        for query, is_chosen in zip(batch.queries, chosen, strict=True):
            end = start + len(query.article_ids)
            if is_chosen == wanted:
                queries.append(query)
                questions += range(start, end)
            start = end
        parts.append(Batch(queries, pack(snapshot.select(questions)) if queries else b""))
    return parts[0], parts[1]


def together(chosen: Sequence[bool], rest: Sequence[SizeAnswer], canary: Sequence[SizeAnswer]) -> list[SizeAnswer]:
    """The answers to both parts in the order of the batch."""
    left, given = iter(rest), iter(canary)
    return [next(given) if is_chosen else next(left) for is_chosen in chosen]
