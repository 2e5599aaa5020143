"""Who looks at the console: the key that a session began with, as it is now."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from apps.shadow.console import forms
from apps.shadow.console.sessions import LASTS_S, Session, Sessions
from libs.base.api_keys import ApiKey
from libs.base.key_watch import KeyWatch
from libs.models.serving_plan import CONSOLE_ROUTE

if TYPE_CHECKING:
    from apps.shadow.console.pages import Pages

# A browser keeps cookies by host, whatever the port: on one machine each environment has one of its own.
_COOKIE = "fitwave_console_"


@dataclass(frozen=True)
class Visitor:
    """Somebody with a session."""

    key: ApiKey
    session: Session

    @property
    def may_operate(self) -> bool:
        """Whether the key may roll back."""
        return "operate" in self.key.scopes


class Visitors:
    """Lets in who has a key for the console, and knows them again."""

    def __init__(self, environment: str, keys: KeyWatch, pages: "Pages") -> None:
        self._keys, self._pages, self._sessions = keys, pages, Sessions()
        self._cookie = f"{_COOKIE}{environment}"

    async def of(self, request: Request) -> Visitor | None:
        """Who sends a request; None who has to log in first."""
        session = self._sessions.find(request.cookies.get(self._cookie))
        ring = await self._keys.ring()
        key = ring.valid(session.key_id) if session and ring else None
        return Visitor(key, session) if key and session else None

    async def log_in(self, request: Request) -> Response:
        """Begin a session, or say why there is none; raises as `forms.read`."""
        fields = await forms.read(request)
        ring = await self._keys.ring()
        if ring is None:
            return self._pages.page("login", None, 503, fault="The API keys are not loaded yet. Try again in a moment.")
        key = ring.recognise(fields.get("key", ""))
        if key is None:
            return self._pages.page("login", None, 401, fault="The API key is unknown, revoked, expired or mistyped.")
        if "console" not in key.scopes:
            fault = f"The API key of {key.name!r} has no scope console. Ask for a key that has it."
            return self._pages.page("login", None, 403, fault=fault)
        response = RedirectResponse(CONSOLE_ROUTE, 303)
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        response.set_cookie(
            self._cookie,
            self._sessions.begin(key.key_id),
            max_age=LASTS_S,
            path=CONSOLE_ROUTE,
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return response

    async def log_out(self, request: Request, visitor: Visitor) -> Response:
        """End the session; raises as `forms.check_token`."""
        forms.check_token(await forms.read(request), visitor.session)
        self._sessions.end(request.cookies.get(self._cookie))
        response = RedirectResponse(CONSOLE_ROUTE, 303)
        response.delete_cookie(self._cookie, path=CONSOLE_ROUTE)
        return response
