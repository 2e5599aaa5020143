"""The gateway's public answers: what a router's answer becomes for the one who asked."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from starlette.responses import Response

from apps.serve.problems import Kind, Problem
from libs.base.errors import InvariantError
from libs.models.contract import Recommendation, SizeAnswer, SizeQuery

MODEL_VERSION_HEADER = "X-Model-Version"

# As many unknown articles as help to find the mistake.
_NAMED_ARTICLES = 5
_ENCODER = msgspec.json.Encoder()


Degraded = Literal["features_unavailable", "features_stale"]


class Recommendations(msgspec.Struct, frozen=True):
    """The answers for one customer, one for each article asked about, in the order asked.

    `features_as_of` is up to when orders and returns are known to the answers; null if nothing is online yet.
    `degraded` is why they rest on less than they should, or null: `features_unavailable`, the customer's and articles'
    features could not be read, so what was read before stands for them, or the market's customers as a whole;
    `features_stale`, they are older than this gateway's limit.
    """

    request_id: str
    market: str
    customer_id: str
    model_version: str
    features_as_of: datetime | None
    degraded: Degraded | None
    recommendations: list[Recommendation]


class _Encoded(msgspec.Struct, frozen=True):
    """`Recommendations` whose parts are JSON already."""

    request_id: str
    market: str
    customer_id: str
    model_version: str
    features_as_of: datetime | None
    degraded: Degraded | None
    recommendations: list[msgspec.Raw]


class MarketState(msgspec.Struct, frozen=True):
    """A market, and the model version that answers for it; ready: there is one."""

    name: str
    champion: str | None
    ready: bool


class Markets(msgspec.Struct, frozen=True):
    """The markets that the API key is for."""

    markets: list[MarketState]


class Health(msgspec.Struct, frozen=True):
    """What a probe is told."""

    status: str


def json_response(value: msgspec.Struct) -> Response:
    """A 200 with this value."""
    return Response(_ENCODER.encode(value), media_type="application/json")


def degraded(answer: SizeAnswer, age_limit_days: float | None) -> Degraded | None:
    """Why an answer rests on less than it should, if it does."""
    if answer.store_away:
        return "features_unavailable"
    if answer.features_as_of is None or age_limit_days is None:
        return None
    is_stale = datetime.now(UTC) - answer.features_as_of > timedelta(days=age_limit_days)
    return "features_stale" if is_stale else None


def recommendations_response(query: SizeQuery, answer: SizeAnswer, why_degraded: Degraded | None) -> Response:
    """The answer to one query as a response.

    Raises:
        Problem: 404 none of its articles is known. Some unknown ones are marked in the answer.
        InvariantError: the router did not answer for each article.
    """
    if len(answer.recommendations) != len(query.article_ids):
        raise InvariantError(f"{len(answer.recommendations)} answers to {len(query.article_ids)} articles")
    headers = {MODEL_VERSION_HEADER: answer.model_version}
    if all(found.outcome == "unknown_article" for found in answer.recommendations):
        raise Problem(Kind.UNKNOWN_ARTICLES, _unknown_articles(query), headers)
    parts = [msgspec.Raw(found.body) for found in answer.recommendations]
    body = _Encoded(
        request_id=query.request_id,
        market=query.market,
        customer_id=query.customer_id,
        model_version=answer.model_version,
        features_as_of=answer.features_as_of,
        degraded=why_degraded,
        recommendations=parts,
    )
    return Response(_ENCODER.encode(body), headers=headers, media_type="application/json")


def _unknown_articles(query: SizeQuery) -> str:
    articles = list(dict.fromkeys(query.article_ids))
    named = ", ".join(repr(article) for article in articles[:_NAMED_ARTICLES])
    more = f" and {len(articles) - _NAMED_ARTICLES} more" if len(articles) > _NAMED_ARTICLES else ""
    return (
        f"Market {query.market!r} does not know {named}{more}. "
        f"Check the ids; new articles are known after the next refresh of features."
    )
