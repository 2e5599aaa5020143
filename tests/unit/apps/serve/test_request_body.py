"""Reading and checking what a client sends."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from apps.serve.problems import Kind, Problem
from apps.serve.request_body import RecommendationRequest, parse, read


def parsed(customer_id: object = "c", article_ids: object = ("a",), max_articles: int = 3) -> RecommendationRequest:
    return parse(json.dumps({"customer_id": customer_id, "article_ids": article_ids}).encode(), max_articles)


def request(chunks: Sequence[bytes | None], headers: dict[str, str] | None = None) -> Request:
    """A request whose body arrives in these chunks; None: the client goes away."""
    messages: list[Message] = [
        {"type": "http.disconnect"} if chunk is None else {"type": "http.request", "body": chunk, "more_body": True}
        for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    given_headers = {"content-type": "application/json"} | (headers or {})

    async def receive() -> Message:
        return messages.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in given_headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


def test_takes_a_customer_and_articles_and_keeps_repeated_ones() -> None:
    assert parsed("c", ["a", "b", "a"]) == RecommendationRequest("c", ["a", "b", "a"])


def test_takes_ids_in_any_script_up_to_128_characters() -> None:
    assert parsed("鈴木" * 64, ["größe 38"]).customer_id == "鈴木" * 64


@pytest.mark.parametrize(
    ("customer_id", "article_ids", "place"),
    [
        ("", ["a"], "$.customer_id"),
        ("c" * 129, ["a"], "$.customer_id"),
        (7, ["a"], "$.customer_id"),
        (None, ["a"], "$.customer_id"),
        ("c\n", ["a"], "$.customer_id"),
        ("c", "a", "$.article_ids"),
        ("c", [], "$.article_ids"),
        ("c", ["a"] * 4, "$.article_ids"),
        ("c", ["a", ""], "$.article_ids[1]"),
        ("c", ["a", "b", "\x00"], "$.article_ids[2]"),
        ("c", ["a\x9f"], "$.article_ids[0]"),
        ("c", [["a"]], "$.article_ids[0]"),
    ],
)
def test_names_the_place_that_breaks_the_schema(customer_id: object, article_ids: object, place: str) -> None:
    with pytest.raises(Problem) as found:
        parsed(customer_id, article_ids)
    assert found.value.kind == Kind.INVALID_REQUEST
    assert f"`{place}`" in found.value.detail


@pytest.mark.parametrize(
    ("selected", "said"),
    [
        ({"b": "38"}, "not asked about"),
        ({"a": "3\x008"}, "U+0000"),
        ({"a": ""}, "$.selected_sizes"),
        ({"a": "8" * 129}, "$.selected_sizes"),
        ({"a": 38}, "$.selected_sizes"),
        ({"": "38"}, "$.selected_sizes"),
        (["38"], "$.selected_sizes"),
    ],
)
def test_a_selected_size_is_a_label_of_an_article_that_is_asked_about(selected: object, said: str) -> None:
    with pytest.raises(Problem) as found:
        parse(json.dumps({"customer_id": "c", "article_ids": ["a"], "selected_sizes": selected}).encode(), 3)
    assert found.value.kind == Kind.INVALID_REQUEST
    assert said in found.value.detail


def test_a_size_may_be_selected_of_some_articles_only() -> None:
    body = {"customer_id": "c", "article_ids": ["a", "b"], "selected_sizes": {"b": "38 ½"}}
    assert parse(json.dumps(body).encode(), 3) == RecommendationRequest("c", ["a", "b"], {"b": "38 ½"})


def test_refuses_a_field_it_does_not_know() -> None:
    with pytest.raises(Problem, match="unknown field `articles`"):
        parse(b'{"customer_id": "c", "article_ids": ["a"], "articles": []}', 3)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"customer_id": "\xed\xa0\x80"}', b'{"customer_id": "\\ud800"}']
)
def test_refuses_what_is_not_json_in_utf_8(body: bytes) -> None:
    with pytest.raises(Problem) as found:
        parse(body, 3)
    assert found.value.kind == Kind.NOT_JSON


@pytest.mark.parametrize("start", [b"[", b'{"customer_id":', b'{"customer_id":"c","article_ids":[', b'{"x":'])
def test_deep_nesting_is_refused_without_harm(start: bytes) -> None:
    with pytest.raises(Problem):
        parse(start + b"[" * 250_000, 3)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["customer_id", "article_ids", "x"]), inner),
)


@settings(deadline=None)
@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_question_or_a_problem(body: bytes) -> None:
    try:
        question = parse(body, 3)
    except Problem as problem:
        assert problem.kind in (Kind.NOT_JSON, Kind.INVALID_REQUEST)
        assert problem.response("r").status_code in (400, 422)
    else:
        assert 1 <= len(question.article_ids) <= 3


_ID = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=128)


@settings(deadline=None)
@given(_ID, st.lists(_ID, min_size=1, max_size=3))
def test_every_valid_question_comes_through_unchanged(customer_id: str, article_ids: list[str]) -> None:
    assert parsed(customer_id, article_ids) == RecommendationRequest(customer_id, article_ids)


@pytest.mark.anyio
async def test_reads_a_body_in_chunks() -> None:
    assert await read(request([b"ab", b"", b"cd"]), 4) == b"abcd"


@pytest.mark.anyio
async def test_stops_at_an_announced_length_without_reading() -> None:
    with pytest.raises(Problem) as found:
        await read(request([None], {"content-length": "5"}), 4)
    assert found.value.kind == Kind.BODY_TOO_LARGE


@pytest.mark.anyio
@pytest.mark.parametrize("headers", [{}, {"content-length": "1"}, {"content-length": "-1"}, {"content-length": "x"}])
async def test_stops_where_the_real_length_is_too_large(headers: dict[str, str]) -> None:
    with pytest.raises(Problem) as found:
        await read(request([b"abc", b"de", None], headers), 4)
    assert found.value.kind == Kind.BODY_TOO_LARGE


@pytest.mark.anyio
async def test_a_client_that_goes_away_leaves_an_incomplete_body() -> None:
    with pytest.raises(Problem) as found:
        await read(request([b"a", None]), 4)
    assert found.value.kind == Kind.INCOMPLETE_BODY


@pytest.mark.anyio
@pytest.mark.parametrize("headers", [{"content-type": ""}, {"content-type": "text/json"}, {"content-encoding": "gzip"}])
async def test_refuses_other_types_and_encodings(headers: dict[str, str]) -> None:
    with pytest.raises(Problem) as found:
        await read(request([b"{}"], headers), 4)
    assert found.value.kind == Kind.NOT_JSON_TYPE


@pytest.mark.anyio
async def test_takes_parameters_of_the_type() -> None:
    assert await read(request([b"{}"], {"content-type": "Application/JSON; charset=utf-8"}), 4) == b"{}"
