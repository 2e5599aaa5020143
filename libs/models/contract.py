"""What the serving deployments say to each other: plain, fast to encode, the same in every app.

The gateway's public JSON is made of `Recommendation` and its parts, so the API document is made from them too.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec


class SizeQuery(msgspec.Struct, frozen=True):
    """One customer's question about one or more articles of one market.

    `by_hand`: somebody tries it in the console. It is answered like any other, and no shadow window counts it.
    `traceparent`: the gateway's span, if the request is traced.
    """

    market: str
    customer_id: str
    article_ids: list[str]
    request_id: str
    selected_sizes: dict[str, str] = {}
    by_hand: bool = False
    traceparent: str = ""


class SizeProbability(msgspec.Struct, frozen=True):
    """How an article in one size would turn out for this customer; the three sum to 1."""

    size: str
    small: float
    fit: float
    large: float


class SecondBest(msgspec.Struct, frozen=True):
    """The next size, named when the customer lies between two."""

    size: str
    confidence: float


class Basis(msgspec.Struct, frozen=True):
    """What the answer rests on: the customer's own history, body or just the market; the article's or a wider one."""

    customer: Literal["history", "body", "market"]
    article: Literal["article", "brand", "category", "market"]


class Recommendation(msgspec.Struct, frozen=True):
    """The answer for one article. Abstained or unknown: `size` is null and `abstention_reason` says why;
    `features_unavailable`: what is known of the article could not be read.
    """

    article_id: str
    size: str | None
    confidence: float | None
    second_best: SecondBest | None
    abstained: bool
    abstention_reason: Literal["low_confidence", "unknown_article", "features_unavailable"] | None
    basis: Basis | None
    reasons: list[str]
    sizes: list[SizeProbability]


Outcome = Literal["recommended", "abstained", "unknown_article"]


class Answered(msgspec.Struct, frozen=True):
    """A recommendation as it travels: `body` is its JSON, written once by the model and sent on as it is.

    Beside it stands what the parts between model and caller look at: they would otherwise take apart, and put together
    again, some ten objects an article.
    """

    outcome: Outcome
    size: str | None
    confidence: float | None
    body: bytes


_ENCODER = msgspec.json.Encoder()


def answered(recommendation: Recommendation) -> Answered:
    """A recommendation, ready to travel."""
    outcome: Outcome = "abstained" if recommendation.abstained else "recommended"
    if recommendation.abstention_reason == "unknown_article":
        outcome = "unknown_article"
    return Answered(outcome, recommendation.size, recommendation.confidence, _ENCODER.encode(recommendation))


class SizeAnswer(msgspec.Struct, frozen=True):
    """The router's answer to one query, in the order of its articles, and the cut-off of the features it rests on.

    `store_away`: these were not looked up, since the online store did not answer.
    """

    request_id: str
    model_version: str
    recommendations: list[Answered]
    features_as_of: datetime | None = None
    store_away: bool = False


class ModelRef(msgspec.Struct, frozen=True):
    """A registered version, where its package lies, and the hash the replica checks before it loads it."""

    version: str
    path: str
    sha256: str


def to_builtins(value: Any) -> Any:
    """Plain dicts and lists of a contract value: what a Serve `user_config` may hold."""
    return msgspec.to_builtins(value)
