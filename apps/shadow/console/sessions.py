"""Who is logged in. A session is kept in this replica's memory, and the API key it began with is not kept at all."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

# A working day; a key that is revoked ends its sessions at once.
LASTS_S = 8 * 3600
_BYTES = 32


@dataclass(frozen=True)
class Session:
    """`form_token` stands in every form: another site can send one to us, but cannot know it."""

    key_id: str
    form_token: str
    ends_at: float


class Sessions:
    """All sessions, by the text that the browser's cookie holds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def begin(self, key_id: str) -> str:
        """A new session's cookie; sessions that are over are forgotten."""
        now = self._clock()
        self._sessions = {cookie: one for cookie, one in self._sessions.items() if one.ends_at > now}
        cookie = secrets.token_urlsafe(_BYTES)
        self._sessions[cookie] = Session(key_id, secrets.token_urlsafe(_BYTES), now + LASTS_S)
        return cookie

    def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie, unless it is over."""
        session = self._sessions.get(cookie) if cookie else None
        return session if session is not None and session.ends_at > self._clock() else None

    def end(self, cookie: str | None) -> None:
        """Log out."""
        if cookie:
            self._sessions.pop(cookie, None)
