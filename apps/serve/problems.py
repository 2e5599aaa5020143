"""What the gateway answers when it does not answer the question: RFC 9457 problem documents.

The one place of the project that knows HTTP statuses of failures. `type` is a relative URI that never changes its
meaning, for programs; `detail` says what is wrong and what to do, for people.
"""

from collections.abc import Mapping
from enum import Enum

import msgspec
from starlette.responses import Response

from libs.base.errors import FitwaveError

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """Every problem there is: its status and its title. The name makes the `type`."""

    INCOMPLETE_BODY = (400, "The body ended early")
    NOT_JSON = (400, "The body is not JSON")
    UNAUTHENTICATED = (401, "A valid API key is needed")
    MARKET_FORBIDDEN = (403, "The API key is for other markets")
    SCOPE_FORBIDDEN = (403, "The API key is for other uses")
    UNKNOWN_PATH = (404, "There is nothing at this path")
    UNKNOWN_MARKET = (404, "There is no such market")
    UNKNOWN_ARTICLES = (404, "None of the articles is known")
    METHOD_NOT_ALLOWED = (405, "The path does not take this method")
    BODY_TOO_SLOW = (408, "The body took too long to arrive")
    BODY_TOO_LARGE = (413, "The body is too large")
    URL_TOO_LONG = (414, "The URL is too long")
    NOT_JSON_TYPE = (415, "The body must be plain application/json")
    INVALID_REQUEST = (422, "The request breaks the schema")
    TOO_MANY_REQUESTS = (429, "The API key's rate limit is reached")
    HEADERS_TOO_LARGE = (431, "The headers are too large")
    INTERNAL = (500, "Something unforeseen went wrong")
    GATEWAY_LOST = (502, "The gateway ended without an answer")
    GATEWAY_AWAY = (503, "No gateway answers")
    NOT_READY = (503, "The gateway is not ready")
    NO_CHAMPION = (503, "The market has no model yet")
    OVERLOADED = (503, "More requests wait than can be answered in time")
    UNAVAILABLE = (503, "The recommendation could not be made")
    DEADLINE_EXCEEDED = (504, "The answer took too long")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def title(self) -> str:
        """The same short text for every occurrence."""
        return self.value[1]

    @property
    def type(self) -> str:
        """The stable relative URI, like `/problems/unknown-market`."""
        return f"/problems/{self.label}"

    @property
    def label(self) -> str:
        """Its name in metrics, like `unknown-market`."""
        return self.name.lower().replace("_", "-")


# Seconds after which a 503 is worth another try, where nothing better is known.
_RETRY_AFTER_S = 1


class ProblemDocument(msgspec.Struct, frozen=True):
    """Why there is no answer, as in RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class Problem(FitwaveError):
    """Raised anywhere at the HTTP edge; the gateway turns it into its response."""

    def __init__(self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        if kind.status == 503:
            self.headers.setdefault("Retry-After", str(_RETRY_AFTER_S))

    def response(self, request_id: str) -> Response:
        """The problem as a response to this request."""
        kind = self.kind
        document = ProblemDocument(kind.type, kind.title, kind.status, self.detail, request_id)
        return Response(msgspec.json.encode(document), kind.status, self.headers, MEDIA_TYPE)


def body_too_large(max_bytes: int) -> Problem:
    """What is said of a body that is longer than that."""
    return Problem(Kind.BODY_TOO_LARGE, f"The body is longer than {max_bytes} bytes. Ask about fewer articles at once.")


def body_too_slow(timeout_s: float) -> Problem:
    """What is said of a body that was not there in time."""
    return Problem(Kind.BODY_TOO_SLOW, f"The body did not arrive within {timeout_s:g} s. Send it again.")


def overloaded() -> Problem:
    """What is said to a request that is turned away because too many wait already."""
    return Problem(Kind.OVERLOADED, "Try again after the time in Retry-After, with fewer at once.")
