"""API keys: what one looks like, what of it is stored, and how a presented one is recognised.

A key is `fw_<key id>_<secret>`. The secret is 256 random bits, so a stored SHA-256 of it cannot be searched through:
slow password hashes exist for secrets that people choose, and would only cost every request time here.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, get_args

import msgspec

from libs.base.errors import DataError

# `console` looks at its markets there, and may ask for a size by hand; `operate` may roll back as well.
Scope = Literal["recommend", "markets", "console", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# What a shop's key is for. The others are for people, and have to be asked for.
SHOP_SCOPES: tuple[Scope, ...] = ("recommend", "markets")

# 6 bytes of id are told apart in lists and logs; 32 bytes of secret are 43 characters of unpadded base64.
_ID_BYTES = 6
_SECRET_BYTES = 32
_TEXT = re.compile(r"fw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
# Raised with each change of what is stored of a key.
FORMAT = 3
# Who wants a key for longer wants one that does not expire.
_LONGEST = timedelta(days=3650)
# Compared with when the key id is unknown, so that an unknown id takes as long as a wrong secret.
_NO_DIGEST = "0" * 64


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is stored: everything but the secret.

    `markets` null: all of them, also future ones. `followed_by`: the key that it was rotated to.
    """

    key_id: str
    name: str
    markets: frozenset[str] | None
    scopes: frozenset[Scope]
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None
    format: int = FORMAT
    # Without a zone it could not be compared with now, and one damaged entry would fail in a request.
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    followed_by: str | None = None

    def ended(self, now: datetime) -> Literal["revoked", "expired"] | None:
        """Why the key is refused; None while it is valid."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else None

    def may_see(self, market: str) -> bool:
        """Whether the key is for this market."""
        return self.markets is None or market in self.markets


def mint(
    name: str, markets: frozenset[str] | None, scopes: frozenset[Scope], lasts: timedelta | None = None
) -> tuple[ApiKey, str]:
    """Make a key: what to store, and the text to hand over, which exists nowhere else. It `lasts` for ever by default.

    Raises:
        DataError: it would have expired already, or would last longer than any key with an end does.
    """
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    now = datetime.now(UTC)
    expires_at = None if lasts is None else end_of(lasts, now)
    return ApiKey(key_id, name, markets, scopes, _digest(secret), now, expires_at=expires_at), f"fw_{key_id}_{secret}"


def end_of(lasts: timedelta, now: datetime) -> datetime:
    """When what lasts so long from now on is over.

    Raises:
        DataError: at once, or later than any key with an end does.
    """
    if not timedelta(0) < lasts <= _LONGEST:
        raise DataError(
            f"a key cannot expire after {lasts}: say some time of up to {_LONGEST.days} days, as 24h or 90d"
        )
    return now + lasts


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyRing:
    """The keys that are not revoked; never changed, only replaced. Expiry is judged whenever a key is shown."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = {key.key_id: key for key in keys if key.revoked_at is None}

    def valid(self, key_id: str) -> ApiKey | None:
        """The key of this id, if it is still valid: of one that was recognised before."""
        key = self._keys.get(key_id)
        return None if key is None or key.ended(datetime.now(UTC)) else key

    def recognise(self, text: str) -> ApiKey | None:
        """The key that this text is, or None: malformed, unknown, ended and wrong look the same from outside."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        key_id, secret = match.groups()
        key = self._keys.get(key_id)
        same = hmac.compare_digest(_digest(secret), key.sha256 if key else _NO_DIGEST)
        return None if key is None or not same or key.ended(datetime.now(UTC)) else key
