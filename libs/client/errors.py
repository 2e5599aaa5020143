"""Why there is no answer: an exception for each thing that a caller may want to do about it."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Root of everything that the client raises on purpose. `request_id` finds the call in the server's logs."""

    def __init__(self, message: str, request_id: str) -> None:
        super().__init__(f"{message} (request {request_id})")
        self.request_id = request_id


class NoAnswer(ClientError):
    """Nothing answered in time, or nobody could be reached, or only a proxy. Asking again later may help."""


class NotUnderstood(ClientError):
    """What answered is not this API, or a version of it that the client does not know."""


class Problem(ClientError):
    """The API says why it does not answer: RFC 9457. `type` never changes its meaning; `detail` is for people."""

    def __init__(self, document: Mapping[str, Any], request_id: str, retry_after_s: float | None = None) -> None:
        self.type: str = document["type"]
        self.title: str = document["title"]
        self.status: int = document["status"]
        self.detail: str = document["detail"]
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.status} {self.title}: {self.detail}", request_id)


class Refused(Problem):
    """4xx: what was asked is wrong. Asking the same again will not help."""


class AccessDenied(Refused):
    """The API key is absent, not valid, or for other markets or uses."""


class UnknownMarket(Refused):
    """There is no such market."""


class UnknownArticles(Refused):
    """The market knows none of the articles; if it knows some, the answer marks the others."""


class RateLimited(Problem):
    """The API key's limit is reached. Ask again after `retry_after_s`."""


class Unavailable(Problem):
    """5xx: it cannot be answered now. Asking again later may help."""


class NoModel(Unavailable):
    """The market has no model yet. It answers once one is promoted: a matter of days, not of seconds."""


_BY_TYPE: dict[str, type[Problem]] = {
    "/problems/unauthenticated": AccessDenied,
    "/problems/market-forbidden": AccessDenied,
    "/problems/scope-forbidden": AccessDenied,
    "/problems/unknown-market": UnknownMarket,
    "/problems/unknown-articles": UnknownArticles,
    "/problems/too-many-requests": RateLimited,
    "/problems/no-champion": NoModel,
}


def problem_class(type_uri: str, status: int) -> type[Problem]:
    """The exception for a problem; by its status where the type says nothing more."""
    return _BY_TYPE.get(type_uri, Unavailable if status >= 500 else Refused)
