"""The API's document, made from the very types that the gateway encodes and decodes.

OpenAPI 3.0.3, because the Swagger UI that shows it (4.15) cannot read 3.1.
"""

from typing import Any

import msgspec

from apps.serve.answers import MODEL_VERSION_HEADER, Health, Markets, Recommendations
from apps.serve.problems import MEDIA_TYPE, Kind, ProblemDocument
from apps.serve.request_body import RecommendationRequest

_TYPES = (RecommendationRequest, Recommendations, Markets, Health, ProblemDocument)
_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Comes back in answer and logs, if it is up to 64 letters, digits and `._-`; else one is made.",
    # No pattern: another is not refused.
    "schema": {"type": "string"},
}
_MARKET = {"name": "market", "in": "path", "required": True, "schema": {"type": "string"}, "example": "de"}
_REQUEST_ID_SENT = {"X-Request-Id": {"schema": {"type": "string"}}}
_RATE_SENT = {
    "RateLimit-Policy": {
        "description": "How often the key may be used: `q` times in `w` seconds.",
        "schema": {"type": "string", "pattern": '^"key";q=[0-9]+;w=60$'},
    },
    "RateLimit": {
        "description": "The key may be used `r` times more in the next `t` seconds. An unknown key is told nothing.",
        "schema": {"type": "string", "pattern": '^"key";r=[0-9]+;t=[0-9]+$'},
    },
}
_RETRY_AFTER_SENT = {
    "Retry-After": {"description": "Seconds to wait before another try.", "schema": {"type": "integer", "minimum": 1}},
}
_EXAMPLE = {"customer_id": "c-1001", "article_ids": ["a-1", "a-2"], "selected_sizes": {"a-2": "40"}}
# What comes before the gateway answers any path with the last four.
_EVERYWHERE = (Kind.INTERNAL, Kind.URL_TOO_LONG, Kind.HEADERS_TOO_LARGE, Kind.GATEWAY_LOST, Kind.GATEWAY_AWAY)
_KEYED = (Kind.UNAUTHENTICATED, Kind.SCOPE_FORBIDDEN, Kind.TOO_MANY_REQUESTS, Kind.NOT_READY)
_ASKED = (
    Kind.INCOMPLETE_BODY,
    Kind.NOT_JSON,
    Kind.MARKET_FORBIDDEN,
    Kind.UNKNOWN_MARKET,
    Kind.UNKNOWN_ARTICLES,
    Kind.BODY_TOO_SLOW,
    Kind.BODY_TOO_LARGE,
    Kind.NOT_JSON_TYPE,
    Kind.INVALID_REQUEST,
    Kind.NO_CHAMPION,
    Kind.OVERLOADED,
    Kind.UNAVAILABLE,
    Kind.DEADLINE_EXCEEDED,
)


def openapi(max_articles: int) -> bytes:
    """The document as JSON, for a gateway that takes so many articles at once."""
    return msgspec.json.encode(
        {
            "openapi": "3.0.3",
            "info": {
                "title": "Fitwave",
                "version": "1",
                "description": "Which size of an article fits a customer. Failures are RFC 9457 problem documents.",
            },
            "servers": [{"url": "/"}],
            "security": [{"bearer": []}, {"header": []}],
            "paths": _paths(),
            "components": {
                "schemas": _schemas(max_articles),
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An API key, or a token of the identity provider where one is configured.",
                    },
                    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                },
            },
        }
    )


def _paths() -> dict[str, Any]:
    recommend = _keyed(_operation("Recommend sizes to a customer", Recommendations, _KEYED + _ASKED))
    recommend["parameters"] = [_MARKET, _REQUEST_ID]
    recommend["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": _ref(RecommendationRequest), "example": _EXAMPLE}},
    }
    recommend["responses"]["200"]["headers"][MODEL_VERSION_HEADER] = {"schema": {"type": "string"}}
    return {
        "/v1/markets/{market}/size-recommendations": {"post": recommend},
        "/v1/markets": {"get": _keyed(_operation("The markets of the API key", Markets, _KEYED))},
        "/healthz": {"get": _open(_operation("Whether the gateway lives", Health, ()))},
        "/readyz": {"get": _open(_operation("Whether the gateway can answer", Health, (Kind.NOT_READY,)))},
        "/metrics": {"get": _open(_text("Prometheus metrics of the replica that answers"))},
    }


def _operation(summary: str, answer: type[msgspec.Struct], kinds: tuple[Kind, ...]) -> dict[str, Any]:
    good = {
        "description": summary,
        "headers": dict(_REQUEST_ID_SENT),
        "content": {"application/json": {"schema": _ref(answer)}},
    }
    return {
        "summary": summary,
        "parameters": [_REQUEST_ID],
        "responses": {"200": good, **_problems(kinds + _EVERYWHERE)},
    }


def _text(summary: str) -> dict[str, Any]:
    good = {
        "description": summary,
        "headers": dict(_REQUEST_ID_SENT),
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return {
        "summary": summary,
        "parameters": [_REQUEST_ID],
        "responses": {"200": good, **_problems(_EVERYWHERE)},
    }


def _keyed(operation: dict[str, Any]) -> dict[str, Any]:
    """The same with what is said of the rate of the key that was recognised."""
    for status, response in operation["responses"].items():
        if status != str(Kind.UNAUTHENTICATED.status):
            response["headers"] |= _RATE_SENT
    return operation


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    """The same without a key."""
    return operation | {"security": []}


def _problems(kinds: tuple[Kind, ...]) -> dict[str, Any]:
    """One response for each status, naming the problems that have it."""
    statuses = sorted({kind.status for kind in kinds})
    return {
        str(status): {
            "description": "; ".join(f"{kind.title} (`{kind.type}`)" for kind in kinds if kind.status == status),
            "headers": _REQUEST_ID_SENT | (_RETRY_AFTER_SENT if status in (429, 503) else {}),
            "content": {MEDIA_TYPE: {"schema": _ref(ProblemDocument)}},
        }
        for status in statuses
    }


def _ref(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{struct.__name__}"}


def _schemas(max_articles: int) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    converted = {name: to_openapi_3_0(schema) for name, schema in schemas.items()}
    converted[RecommendationRequest.__name__]["properties"]["article_ids"]["maxItems"] = max_articles
    return converted


def to_openapi_3_0(schema: Any) -> Any:
    """Say in OpenAPI 3.0 what a JSON Schema says: there is no null type there, and an enum needs its type."""
    if isinstance(schema, list):
        return [to_openapi_3_0(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {name: to_openapi_3_0(part) for name, part in schema.items()}
    if "enum" in converted and all(isinstance(value, str) for value in converted["enum"]):
        converted.setdefault("type", "string")
    choices = converted.get("anyOf", [])
    if {"type": "null"} not in choices:
        return converted
    del converted["anyOf"]
    rest = [choice for choice in choices if choice != {"type": "null"}]
    return converted | _nullable(rest)


def _nullable(choices: list[dict[str, Any]]) -> dict[str, Any]:
    if len(choices) > 1:
        return {"anyOf": choices, "nullable": True}
    (choice,) = choices
    if "$ref" in choice:  # nothing may stand beside a $ref
        return {"allOf": [choice], "nullable": True}
    if "enum" in choice:
        choice = choice | {"enum": [*choice["enum"], None]}
    return choice | {"nullable": True}
