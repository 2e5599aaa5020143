"""From the bytes of a request to a question, or to a problem that says what is wrong with them."""

import re
from typing import Annotated

import msgspec
from starlette.requests import ClientDisconnect, Request

from apps.serve.problems import Kind, Problem, body_too_large

MAX_ID_LENGTH = 128
# The C0 and C1 control characters: they have no place in an id, and do harm in logs and terminals.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Id = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        # Told to readers of the API document only: Python's `$` would let a final line feed through.
        extra_json_schema={"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"},
    ),
]


class RecommendationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One customer, and the articles whose sizes are asked for; a repeated article is answered as often.

    `selected_sizes` says, by article that is asked about, which size the customer has chosen so far, if any. It is
    evidence about the customer; a label that the article does not have is as good as none.
    """

    customer_id: Id
    article_ids: Annotated[list[Id], msgspec.Meta(min_length=1)]
    selected_sizes: dict[Id, Id] = {}


_DECODER = msgspec.json.Decoder(RecommendationRequest)


async def read(request: Request, max_bytes: int) -> bytes:
    """Receive the body, never holding more than `max_bytes` of it and a chunk.

    Raises:
        Problem: 415 it is not announced as plain JSON, 413 it is too large, 400 the client went away.
    """
    _check_type(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise body_too_large(max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise body_too_large(max_bytes)
    except ClientDisconnect as error:
        raise Problem(Kind.INCOMPLETE_BODY, "The connection ended before the body did. Send it again.") from error
    return bytes(body)


def parse(body: bytes, max_articles: int) -> RecommendationRequest:
    """Decode and check a body.

    Raises:
        Problem: 400 it is not JSON, 422 it breaks the schema; the detail names the place.
    """
    try:
        question = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(Kind.NOT_JSON, f"The body is not JSON in UTF-8: {error}. Send a JSON object.") from error
    if len(question.article_ids) > max_articles:
        count = len(question.article_ids)
        raise _invalid(f"{count} articles, where {max_articles} are the most - at `$.article_ids`; split the request")
    _check_characters("$.customer_id", question.customer_id)
    for index, article_id in enumerate(question.article_ids):
        _check_characters(f"$.article_ids[{index}]", article_id)
    if not question.selected_sizes.keys() <= set(question.article_ids):
        raise _invalid("A size is selected of an article that is not asked about - at `$.selected_sizes`")
    for size in question.selected_sizes.values():
        _check_characters("$.selected_sizes", size)
    return question


def _check_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type != "application/json" or encoding != "identity":
        raise Problem(
            Kind.NOT_JSON_TYPE,
            f"The body is {media_type or 'of no named type'}, encoded {encoding}. "
            f"Send `Content-Type: application/json` and no `Content-Encoding`.",
        )


def _check_characters(place: str, value: str) -> None:
    found = _CONTROL.search(value)
    if found is not None:
        raise _invalid(f"Control character U+{ord(found.group()):04X} - at `{place}`")


def _invalid(reason: str) -> Problem:
    return Problem(
        Kind.INVALID_REQUEST,
        f'{reason}. Send {{"customer_id": "...", "article_ids": ["...", ...]}}, '
        f"ids of 1 to {MAX_ID_LENGTH} characters; /docs has the schema.",
    )
