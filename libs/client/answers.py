"""What the API answers, as it is documented at `/openapi.json`. Keys that a later version adds are passed over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class SizeProbability:
    """How an article in one size would turn out for this customer; the three sum to 1."""

    size: str
    small: float
    fit: float
    large: float

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From its JSON."""
        return cls(json["size"], json["small"], json["fit"], json["large"])


@dataclass(frozen=True, slots=True)
class SecondBest:
    """The next size, named when the customer lies between two."""

    size: str
    confidence: float

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From its JSON."""
        return cls(json["size"], json["confidence"])


@dataclass(frozen=True, slots=True)
class Basis:
    """What the answer rests on: the customer's own history, body or just the market; the article's or a wider one."""

    customer: Literal["history", "body", "market"]
    article: Literal["article", "brand", "category", "market"]

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From its JSON."""
        return cls(json["customer"], json["article"])


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer for one article. Abstained or unknown: `size` is None and `abstention_reason` says why."""

    article_id: str
    size: str | None
    confidence: float | None
    second_best: SecondBest | None
    abstained: bool
    abstention_reason: Literal["low_confidence", "unknown_article", "features_unavailable"] | None
    basis: Basis | None
    reasons: tuple[str, ...]
    sizes: tuple[SizeProbability, ...]

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From its JSON."""
        second_best, basis = json["second_best"], json["basis"]
        return cls(
            article_id=json["article_id"],
            size=json["size"],
            confidence=json["confidence"],
            second_best=None if second_best is None else SecondBest.of(second_best),
            abstained=json["abstained"],
            abstention_reason=json["abstention_reason"],
            basis=None if basis is None else Basis.of(basis),
            reasons=tuple(json["reasons"]),
            sizes=tuple(SizeProbability.of(size) for size in json["sizes"]),
        )


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The answers for one customer, one for each article asked about, in the order asked.

    `features_as_of` is up to when orders and returns are known to the answers; None if nothing is online yet.
    `degraded` is why they rest on less than they should: features that could not be read, or are too old.
    """

    request_id: str
    market: str
    customer_id: str
    model_version: str
    features_as_of: datetime | None
    degraded: Literal["features_unavailable", "features_stale"] | None
    recommendations: tuple[Recommendation, ...]

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From its JSON."""
        as_of = json["features_as_of"]
        return cls(
            request_id=json["request_id"],
            market=json["market"],
            customer_id=json["customer_id"],
            model_version=json["model_version"],
            features_as_of=None if as_of is None else datetime.fromisoformat(as_of),
            # Gateways of earlier releases do not say.
            degraded=json.get("degraded"),
            recommendations=tuple(Recommendation.of(one) for one in json["recommendations"]),
        )


@dataclass(frozen=True, slots=True)
class MarketState:
    """A market that the API key is for, and the model version that answers for it; ready: there is one."""

    name: str
    champion: str | None
    ready: bool

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> Self:
        """From its JSON."""
        return cls(json["name"], json["champion"], json["ready"])
