"""The API's document."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import pytest

from apps.serve.answers import Degraded, Recommendations
from apps.serve.documentation import openapi, to_openapi_3_0
from apps.serve.problems import Kind
from libs.models.contract import SecondBest
from tests.unit.apps.serve.router import recommendation

DOCUMENT = json.loads(openapi(1000))


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object anywhere in a document."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part)


def json_schema(value: Any) -> Any:
    """A schema of OpenAPI 3.0 in JSON Schema: nullable becomes a choice."""
    if isinstance(value, list):
        return [json_schema(part) for part in value]
    if not isinstance(value, dict):
        return value
    schema = {name: json_schema(part) for name, part in value.items() if name != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if value.get("nullable") is True else schema


def check(name: str, value: Any) -> None:
    """Validate a value against one of the document's schemas."""
    schemas = json_schema(DOCUMENT["components"])
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", "components": schemas})


def test_every_reference_leads_somewhere() -> None:
    references = {part["$ref"] for part in parts(DOCUMENT) if "$ref" in part}
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in DOCUMENT["components"]["schemas"]


def test_says_only_what_openapi_3_0_knows() -> None:
    assert DOCUMENT["openapi"] == "3.0.3"
    for part in parts(DOCUMENT):
        assert part.get("type") != "null"
        assert "$ref" not in part or len(part) == 1
        assert not ("nullable" in part and "type" not in part and "allOf" not in part)


def test_real_answers_fit_their_schema() -> None:
    full = msgspec.structs.replace(recommendation("a"), second_best=SecondBest("39", 0.1), reasons=["runs small"])
    for found in (full, recommendation("a"), recommendation("a", "unknown_article")):
        for as_of in (None, datetime(2026, 7, 6, tzinfo=UTC)):
            why: Degraded | None = None if as_of is None else "features_stale"
            answered = Recommendations("r", "de", "c", "3", as_of, why, [found])
            body = msgspec.json.decode(msgspec.json.encode(answered))
            check("Recommendations", body)


@pytest.mark.parametrize(
    "body",
    [
        {"customer_id": "", "article_ids": ["a"]},
        {"customer_id": "c\n", "article_ids": ["a"]},
        {"customer_id": "c" * 129, "article_ids": ["a"]},
        {"customer_id": "c", "article_ids": []},
        {"customer_id": "c", "article_ids": ["a"] * 1001},
        {"customer_id": "c", "article_ids": ["a"], "more": 1},
        {"customer_id": "c"},
    ],
)
def test_the_requests_schema_refuses_what_the_gateway_refuses(body: dict[str, Any]) -> None:
    check("RecommendationRequest", {"customer_id": "c", "article_ids": ["a"]})
    if body["customer_id"] == "c\n":
        # Python's `$` lets a final line feed through where a JSON Schema's does not: say it in Python's terms.
        pattern = DOCUMENT["components"]["schemas"]["RecommendationRequest"]["properties"]["customer_id"]["pattern"]
        assert pattern == "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
        return
    with pytest.raises(jsonschema.ValidationError):
        check("RecommendationRequest", body)


def test_every_problem_is_documented_where_it_can_happen() -> None:
    text = json.dumps(DOCUMENT)
    # Not of any path that is documented.
    elsewhere = {Kind.UNKNOWN_PATH, Kind.METHOD_NOT_ALLOWED}
    assert [kind for kind in Kind if kind not in elsewhere and kind.type not in text] == []


def test_what_is_left_of_a_rate_is_documented_wherever_a_key_is_recognised() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            told = {status for status, answer in operation["responses"].items() if "RateLimit" in answer["headers"]}
            assert told == (set(operation["responses"]) - {"401"} if path.startswith("/v1/") else set())


def test_probes_need_no_key() -> None:
    assert DOCUMENT["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in DOCUMENT["paths"]["/v1/markets"]["get"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        (
            {"anyOf": [{"enum": ["a"]}, {"type": "null"}]},
            {"type": "string", "enum": ["a", None], "nullable": True},
        ),
        ({"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}, {"allOf": [{"$ref": "#/x"}], "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "number"}], "nullable": True},
        ),
    ],
)
def test_nulls_and_enums_are_said_as_openapi_3_0_says_them(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert to_openapi_3_0(schema) == expected
