"""One call of the API, without the sending: what to send, when to send it again, and what came of it.

A generator, so that the client for threads and the one for asyncio do the same: it yields what to do (`Send`, `Wait`),
takes what came of it, and returns the answer.
"""

import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from .errors import ClientError, NoAnswer, NotUnderstood, Problem, problem_class
from .retries import Retries

T = TypeVar("T")

# Nothing of the request was answered, or the server turned it away before any work. A question changes nothing, so
# that it may be asked twice; one that the server is slow with is not, for that would double its work.
_WORTH_ANOTHER = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
)
_TURNED_AWAY = (429, 502, 503)
_NAMED = 200


@dataclass(frozen=True)
class Call:
    """A method, a path below the server's URL, and the JSON to send along."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Send:
    """Send this, with this request id, and give up after `timeout_s`."""

    call: Call
    request_id: str
    timeout_s: float


@dataclass(frozen=True)
class Wait:
    """Do nothing for so long."""

    seconds: float


Step = Send | Wait
Outcome = httpx.Response | httpx.TransportError | None
Exchange = Generator[Step, Outcome, T]


def exchange(call: Call, decode: Callable[[Any], T], retries: Retries, deadline_s: float) -> Exchange[T]:
    """Ask until there is an answer, a reason why there is none, no attempt left, or no time left.

    All attempts have the same request id.

    Raises:
        Problem: the API says why not.
        NoAnswer: nobody answered in time.
        NotUnderstood: what came is not as documented.
    """
    request_id = uuid.uuid4().hex
    deadline = time.monotonic() + deadline_s
    failed = 0
    while True:
        outcome = yield Send(call, request_id, deadline - time.monotonic())
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return _decoded(outcome, decode, request_id)
        failed += 1
        error = _error(outcome, request_id)
        wait_s = retries.wait_s(failed, _retry_after_s(outcome))
        in_time = time.monotonic() + wait_s < deadline
        if failed >= retries.attempts or not in_time or not _may_be_asked_again(outcome):
            raise error
        yield Wait(wait_s)


def _may_be_asked_again(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in _TURNED_AWAY
    return isinstance(outcome, _WORTH_ANOTHER)


def _decoded(response: httpx.Response, decode: Callable[[Any], T], request_id: str) -> T:
    try:
        return decode(response.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotUnderstood(_shown(response), request_id) from error


def _error(outcome: Outcome, request_id: str) -> ClientError:
    if not isinstance(outcome, httpx.Response):
        return NoAnswer(f"{type(outcome).__name__}: {outcome}", request_id)
    try:
        document = outcome.json()
        found: type[Problem] = problem_class(document["type"], outcome.status_code)
        return found(document, request_id, _retry_after_s(outcome))
    except (ValueError, KeyError, TypeError):
        if outcome.is_server_error:  # a proxy, of a gateway that is not there
            return NoAnswer(_shown(outcome), request_id)
        return NotUnderstood(_shown(outcome), request_id)


def _shown(response: httpx.Response) -> str:
    kind = response.headers.get("content-type", "nothing")
    return f"{response.url} answered {response.status_code} with {kind}: {response.text[:_NAMED]!r}"


def _retry_after_s(outcome: Outcome) -> float | None:
    """What the server asks to wait for, in seconds; the API sends no dates."""
    if not isinstance(outcome, httpx.Response):
        return None
    text = outcome.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None
