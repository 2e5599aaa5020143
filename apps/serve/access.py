"""Who may ask: the API key of a request, what it is for, and how often it may be used."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request

from apps.serve.problems import Kind, Problem
from apps.serve.rate_limit import RateLimit, Standing
from libs.base.api_keys import Scope
from libs.base.errors import TransientError
from libs.base.holder import Holder, Ring


class Access:
    """Admits requests by key, rate and scope."""

    def __init__(self, rate_limit: RateLimit) -> None:
        self._rate_limit = rate_limit

    async def admit(self, ring: Ring | None, request: Request, scope: Scope) -> Holder:
        """The holder of the key or token of a request that may go on; `rate_headers` has from then on what the answer
        says of its rate.

        Args:
            ring: the valid keys; None when they are not known yet.

        Raises:
            Problem: 401, 403, 429, or 503 while the keys are not known.
        """
        if ring is None:
            raise Problem(Kind.NOT_READY, "The API keys are not loaded yet. Try again in a moment.")
        text = presented(request.headers)
        try:
            key = ring.recognise(text) if text is not None else None
        except TransientError as error:
            raise Problem(Kind.NOT_READY, str(error)) from error
        if key is None:
            raise _unauthenticated(text)
        standing = await self._rate_limit.ask(key.key_id)
        request.state.rate_headers = standing.headers()
        if not standing.admitted:
            raise _too_many(standing)
        if scope not in key.scopes:
            raise Problem(
                Kind.SCOPE_FORBIDDEN,
                f"The API key has no scope {scope!r}: it has {', '.join(sorted(key.scopes)) or 'none'}. "
                f"Ask for a key that has it.",
                {"WWW-Authenticate": f'Bearer realm="fitwave", error="insufficient_scope", scope="{scope}"'},
            )
        return key


def rate_headers(request: Request) -> Mapping[str, str]:
    """What every answer to a request says of its key's rate; nothing where no key was recognised."""
    found: Mapping[str, str] = getattr(request.state, "rate_headers", {})
    return found


def presented(headers: Headers) -> str | None:
    """The key or token of a request: `Authorization: Bearer <key>`, else `X-API-Key: <key>`."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials:
        return credentials.strip()
    return headers.get("x-api-key")


def _too_many(standing: Standing) -> Problem:
    return Problem(
        Kind.TOO_MANY_REQUESTS,
        f"The API key may be used {standing.limit} times a minute. Try again in {standing.reset_s} s.",
        {"Retry-After": str(standing.reset_s)},
    )


def _unauthenticated(text: str | None) -> Problem:
    # RFC 6750, 3.1: no error code when no key was given at all.
    if text is None:
        detail, error = "The request has no API key.", ""
    else:
        detail, error = (
            "The API key is not valid: it is unknown, revoked, expired or mistyped.",
            ', error="invalid_token"',
        )
    return Problem(
        Kind.UNAUTHENTICATED,
        f"{detail} Send a valid one as `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
        {"WWW-Authenticate": f'Bearer realm="fitwave"{error}'},
    )
